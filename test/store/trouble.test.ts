// One user's trouble is not the others': rows that somebody holds, saves that are refused, sessions that
// are huge or cannot be read, a clear that is stuck.

import assert from 'node:assert/strict'
import type { SessionData } from 'express-session'
import type { PostgresStore } from '../../src/index.ts'
import { database, tableSql } from '../support/database.ts'
import { failure } from '../support/failure.ts'
import { promises } from '../support/promise.ts'
import { backends, putRow, row, sessionOf, withStore } from '../support/store.ts'

const db = await database('trouble')
await db.sql.unsafe(tableSql)
const test = promises('trouble')
const at = { conString: db.url }

const sids = (name: string, count: number) => Array.from({ length: count }, (_, i) => `${name}-${i}`)
const median = (numbers: number[]) => numbers.sort((a, b) => a - b)[numbers.length >> 1] as number

/** The rows are locked by somebody else for as long as `use` runs. */
async function held<T>(keys: string[], use: () => Promise<T>): Promise<T> {
  let result: T | undefined
  await db.sql.begin(async (holder) => {
    await holder`select from session where sid in ${holder(keys)} for update`
    result = await use()
  })
  return result as T
}

async function loaded(store: PostgresStore, keys: string[]): Promise<SessionData[]> {
  for (const sid of keys) await putRow(db.sql, sid, { n: 0 })
  return (await Promise.all(keys.map((sid) => store.get(sid)))) as SessionData[]
}

type Change = (store: PostgresStore, sid: string, session: SessionData) => Promise<void>
const changes: Record<string, Change> = {
  'saves of loaded sessions': (store, sid, session) => store.set(sid, Object.assign(session, { n: 1 })),
  'saves of new sessions': (store, sid) => store.set(sid, sessionOf({ n: 1 })),
  touches: (store, sid) => store.touch(sid, sessionOf({}, 9000)),
  logouts: (store, sid) => store.destroy(sid),
}
for (const [what, change] of Object.entries(changes)) {
  for (const onConflict of ['overwrite', 'merge'] as const) {
    if (onConflict === 'merge' && what !== 'saves of loaded sessions') continue
    test(`30 of 130 rows held by somebody else: ${what} of the others do not wait (${onConflict}), those succeed when freed`, () =>
      withStore({ ...at, onConflict }, async (store) => {
        await db.sql`truncate session`
        const [theirs, others] = [sids('held', 30), sids('free', 100)]
        const sessions = await loaded(store, [...theirs, ...others])
        const took: number[] = []
        let done = 0
        let waiting: Promise<unknown> = Promise.resolve()
        await held(theirs, async () => {
          const began = performance.now()
          // Mixed, as they come.
          const all = [...theirs, ...others].map((sid, i) => ({ sid, session: sessions[i] as SessionData }))
          all.sort((a, b) => a.sid.slice(-1).localeCompare(b.sid.slice(-1)))
          const ended = all.map(({ sid, session }) => ({
            mine: sid.startsWith('free'),
            end: change(store, sid, session).then(() => {
              if (sid.startsWith('free')) took.push(performance.now() - began)
              else done++
            }),
          }))
          waiting = Promise.all(ended.map(({ end }) => end))
          await Promise.all(ended.filter(({ mine }) => mine).map(({ end }) => end))
          // And those that come while the rows are held.
          for (const sid of others.slice(0, 20)) await store.set(sid, sessionOf({ n: 2 }))
          assert.equal(done, 0)
        })
        // A wait for each held row would be many times this.
        assert.ok(median(took) < 2000, `median ${median(took)} ms`)
        await waiting
        assert.equal(done, 30)
        const [found] = await db.sql`
          select count(*)::int as rows, count(*) filter (where sess->>'n' = '1')::int as saved,
            count(*) filter (where expire > now() + interval '2 hours')::int as touched
          from session where sid like 'held-%'`
        if (what === 'logouts') assert.equal(found?.['rows'], 0)
        else if (what === 'touches') assert.equal(found?.['touched'], 30)
        else assert.equal(found?.['saved'], 30)
      }))
  }
}

test('a row that is held until the timeout fails with STORE_TIMEOUT, and is not written later', () =>
  withStore({ ...at, timeout: 2 }, async (store) => {
    await putRow(db.sql, 'stuck', { n: 0 })
    const free = sids('spare', 50)
    const error = await held(['stuck'], async () => {
      const stuck = failure(store.set('stuck', sessionOf({ n: 1 })))
      await Promise.all(free.map((sid) => store.set(sid, sessionOf())))
      return stuck
    })
    assert.equal(error.code, 'STORE_TIMEOUT')
    assert.match(error.message, /55P03/)
    await store.set('other', sessionOf())
    assert.equal((await row(db.sql, 'stuck')).n, 0)
    await store.set('stuck', sessionOf({ n: 2 }))
    assert.equal((await row(db.sql, 'stuck')).n, 2)
  }))

test('two new sessions that others insert and do not commit keep nobody else from being stored', () =>
  withStore(at, async (store) => {
    const others = sids('new', 60)
    let late: Promise<unknown> = Promise.resolve()
    await db.sql.begin(async (holder) => {
      for (const sid of ['insert-1', 'insert-2'])
        await holder`insert into session values (${sid}, '{"cookie":{}}', now() + interval '1 hour')`
      late = Promise.all(['insert-1', 'insert-2'].map((sid) => store.set(sid, sessionOf({ n: 1 }))))
      await Promise.all(others.map((sid) => store.set(sid, sessionOf())))
    })
    await late
    assert.equal((await row(db.sql, 'insert-1')).n, 1)
    assert.equal((await row(db.sql, 'insert-2')).n, 1)
  }))

for (const [what, refuse, code] of [
  [
    'row level security',
    `alter table session enable row level security; alter table session force row level security;
     create policy mine on session using (true) with check (sess->>'user' is distinct from 'bad')`,
    '42501',
  ],
  [
    'a trigger with an SQLSTATE of its own',
    `create function refuse() returns trigger language plpgsql as
       $$ begin if new.sess->>'user' = 'bad' then raise exception 'no %', new.sess using errcode = '45000'; end if; return new; end $$;
     create trigger refusing before insert or update on session for each row execute procedure refuse()`,
    '45000',
  ],
] as const) {
  test(`a save that ${what} refuses fails by itself: of 100 at once one`, async () => {
    const own = await database(`trouble_${code}`)
    try {
      await own.sql.unsafe(tableSql)
      await own.sql.unsafe(refuse)
      await own.sql.unsafe(`
        create role user_${code}_${process.pid} login password 'secret';
        grant all on session to user_${code}_${process.pid}`)
      const url = new URL(own.url)
      url.username = `user_${code}_${process.pid}`
      url.password = 'secret'
      await withStore({ conString: url.href }, async (store) => {
        const results = await Promise.allSettled(
          sids('row', 100).map((sid, i) => store.set(sid, sessionOf({ user: i === 42 ? 'bad' : 'good' }))),
        )
        const failed = results.flatMap((each) => (each.status === 'rejected' ? [each.reason] : []))
        assert.deepEqual(
          failed.map((error) => error.code),
          [code],
        )
        assert.doesNotMatch(failed[0].message, /good|bad|cookie/)
        assert.equal((await own.sql`select from session`).length, 99)
      })
    } finally {
      await own.sql.unsafe(`drop owned by user_${code}_${process.pid}; drop role user_${code}_${process.pid}`)
      await own.drop()
    }
  })
}

test('an error that concerns the statement is not asked for again for each of a batch', async () => {
  const own = await database('trouble_statement')
  try {
    await own.sql.unsafe(`${tableSql}; alter table session rename column expire to expires`)
    await own.sql`create extension if not exists pg_stat_statements`.catch(() => {})
    await withStore({ conString: own.url }, async (store) => {
      const before = await rollbacks(own)
      const results = await Promise.allSettled(sids('row', 100).map((sid) => store.set(sid, sessionOf())))
      assert.ok(results.every((each) => each.status === 'rejected' && each.reason.code === '42703'))
      const after = await rollbacks(own)
      assert.ok(after - before < 20, `${after - before} statements failed`)
    })
  } finally {
    await own.drop()
  }
})

/** Statements that failed in this database so far, as far as the server has counted. */
async function rollbacks({ sql }: typeof db): Promise<number> {
  await new Promise((resume) => setTimeout(resume, 1200))
  const [found] =
    await sql`select xact_rollback::int as count from pg_stat_database where datname = current_database()`
  return found?.['count']
}

test('gets of others are not refused because one user has read a large session', () =>
  withStore(at, async (store) => {
    await db.sql`truncate session`
    await putRow(db.sql, 'large', { text: 'x'.repeat(4_000_000) })
    const small = sids('small', 1000)
    await db.sql`
      insert into session
      select sid, ${JSON.stringify(sessionOf({ user: 'small' }))}::text::json, now() + interval '1 hour'
      from unnest(${small}::text[]) sid`
    for (let i = 0; i < 5; i++) await store.get('large')
    const all = await Promise.allSettled(small.map((sid) => store.get(sid)))
    assert.equal(all.filter((each) => each.status === 'fulfilled' && each.value).length, 1000)
  }))

test('while one write is stuck, clear, length, all and ids keep no get waiting, and all end by the timeout', () =>
  withStore({ ...at, timeout: 3 }, async (store) => {
    await db.sql`truncate session`
    await putRow(db.sql, 'stuck', { n: 0 })
    await putRow(db.sql, 'free', { n: 0 })
    await held(['stuck'], async () => {
      const began = performance.now()
      const ends: Record<string, number> = {}
      const end = (name: string, work: Promise<unknown>) =>
        work
          .then(
            () => 'done',
            (error) => error.code,
          )
          .then((outcome) => {
            ends[name] = performance.now() - began
            return outcome
          })
      const stuck = end('set', store.set('stuck', sessionOf({ n: 1 })))
      const verbs = ['length', 'clear', 'all', 'ids', 'clear', 'length'] as const
      const tasks = verbs.map((verb, i) => end(`${verb} ${i}`, store[verb]()))
      const behind = end('behind', store.set('free', sessionOf({ n: 2 })))
      for (let i = 0; i < 5; i++) {
        assert.ok(await store.get('large-or-not'.slice(i)).then(() => true))
        assert.ok(performance.now() - began < 2700, 'a get waited for the write that is stuck')
      }
      assert.deepEqual(await Promise.all([stuck, behind]), ['STORE_TIMEOUT', 'STORE_TIMEOUT'])
      for (const [i, outcome] of (await Promise.all(tasks)).entries()) {
        const name = `${verbs[i]} ${i}`
        // What only reads has the time left that the issuing of all took, once the write was given up.
        if (outcome === 'done' && verbs[i] !== 'clear')
          assert.ok((ends[name] as number) >= (ends['set'] as number), name)
        else assert.equal(outcome, 'STORE_TIMEOUT', name)
      }
      for (const [name, ms] of Object.entries(ends)) assert.ok(ms < 5400, `${name} took ${ms} ms`)
    })
    // Nothing of what was given up comes later.
    await store.set('after', sessionOf())
    assert.equal((await row(db.sql, 'stuck')).n, 0)
    assert.equal((await row(db.sql, 'free')).n, 0)
  }))

test('length, ids and all end by their timeout while the table is locked, before what has longer', () =>
  withStore({ ...at, timeout: 0.5 }, (store) =>
    withStore({ ...at, timeout: 1.5 }, async (patient) => {
      for (const each of [store, patient]) await each.length()
      const ended: string[] = []
      await db.sql.begin(async (holder) => {
        await holder`lock table session in access exclusive mode`
        const end = async (name: string, work: Promise<unknown>) => {
          assert.equal((await failure(work)).code, 'STORE_TIMEOUT', name)
          ended.push(name)
        }
        const reads = (['length', 'ids', 'all'] as const).map((verb) => end(verb, store[verb]()))
        await Promise.all([...reads, end('patient', patient.get('free'))])
      })
      assert.equal(ended.at(-1), 'patient', `${ended}`)
    }),
  ))

test('clear and later saves keep their order, and length sees what was issued before', () =>
  withStore(at, async (store) => {
    await db.sql`truncate session`
    for (let round = 0; round < 20; round++) {
      const before = sids('before', 30).map((sid) => store.set(sid, sessionOf()))
      const seen = await store.length()
      const clear = store.clear()
      const after = sids('after', 20).map((sid) => store.set(sid, sessionOf()))
      const got = store.get('after-3')
      await Promise.all([...before, clear, ...after])
      assert.equal(seen, 30)
      assert.ok(await got, 'a get sees the save issued before it, also behind a clear')
      const rows = await db.sql`select sid from session`
      assert.deepEqual(rows.map(({ sid }) => sid).sort(), sids('after', 20).sort())
      await db.sql`truncate session`
    }
  }))

test('a row that cannot be read is passed over by all and entries, and told to errorLog without its data', async () => {
  const own = await database('trouble_unreadable')
  try {
    await own.sql.unsafe(`${tableSql}; alter table session alter sess drop not null, alter sess type text`)
    const logged: unknown[][] = []
    await withStore({ conString: own.url, errorLog: (...told) => logged.push(told) }, async (store) => {
      await putRow(own.sql, 'good-1', { n: 1 })
      await own.sql`
        insert into session values
          ('broken-secret', '{"password": "hunter2"', now() + interval '1 hour'),
          ('null-secret', null, now() + interval '1 hour'),
          ('number-secret', '42', now() + interval '1 hour')`
      await putRow(own.sql, 'z-good-2', { n: 2 })
      const numbers = (sessions: unknown[]) => sessions.map((each) => (each as { n: number }).n)
      assert.deepEqual(numbers(await store.all()), [1, 2])
      const entries = []
      for await (const each of store.entries()) entries.push(each)
      assert.deepEqual(
        entries.map(({ sid }) => sid),
        ['good-1', 'z-good-2'],
      )
      assert.equal(logged.length, 2)
      for (const told of logged) {
        assert.equal((told[1] as { code: string }).code, 'STORE_SESSION')
        assert.doesNotMatch(JSON.stringify(told) + String(told[0]) + String(told[1]), /secret|hunter2/)
      }
      const [pid] = (await backends(own.sql)) as [number]
      for (const sid of ['broken-secret', 'null-secret', 'number-secret'])
        assert.equal((await failure(store.get(sid))).code, 'STORE_SESSION', sid)
      const [still] = await own.sql`select from pg_stat_activity where pid = ${pid}`
      assert.ok(still, 'no connection was given up for it')
      await store.set('null-secret', sessionOf({ n: 3 }))
      assert.deepEqual(numbers(await store.all()), [1, 3, 2])
    })
  } finally {
    await own.drop()
  }
})

test('no connection is left behind', () => db.drop())
