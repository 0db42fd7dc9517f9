// What a call that failed leaves behind: nothing that takes effect later, nothing that concerns other calls.

import assert from 'node:assert/strict'
import { AsyncLocalStorage, createHook } from 'node:async_hooks'
import type { SessionData } from 'express-session'
import postgres from 'postgres'
import { database, tableSql } from '../support/database.ts'
import { failure } from '../support/failure.ts'
import { promises } from '../support/promise.ts'
import { putRow, row, sessionOf, withStore } from '../support/store.ts'

const db = await database('failed_calls')
await db.sql.unsafe(tableSql)
const test = promises('failed calls')
const at = { conString: db.url }
const sleep = (ms: number) => new Promise((resume) => setTimeout(resume, ms))

test('a save that timed out is not done with a later touch of its session that was called while it waited', () =>
  withStore({ ...at, timeout: 2 }, (store) =>
    withStore(at, async (other) => {
      for (const change of ['set', 'destroy'] as const) {
        await putRow(db.sql, 'folded', { n: 'before' })
        let touched: Promise<unknown> = Promise.resolve()
        await db.sql.begin(async (holder) => {
          await holder`select from session where sid = 'folded' for update`
          const saved = failure(store.set('folded', sessionOf({ n: 'timed out' })))
          await sleep(1250)
          touched = store.touch('folded', sessionOf({}, 900))
          assert.equal((await saved).code, 'STORE_TIMEOUT')
        })
        if (change === 'set') await other.set('folded', sessionOf({ n: 'acknowledged' }))
        else await other.destroy('folded')
        await touched.catch(() => {})
        await sleep(100)
        assert.equal((await row(db.sql, 'folded'))?.n, change === 'set' ? 'acknowledged' : undefined)
        await db.sql`truncate session`
      }
    }),
  ))

test('a logout that timed out is not done with a later save of its session', () =>
  withStore({ ...at, timeout: 2 }, async (store) => {
    await putRow(db.sql, 'kept', { n: 0 })
    const loaded = (await store.get('kept')) as SessionData
    let saved: Promise<unknown> = Promise.resolve()
    await db.sql.begin(async (holder) => {
      await holder`select from session where sid = 'kept' for update`
      const destroyed = failure(store.destroy('kept'))
      await sleep(1250)
      saved = store.set('kept', Object.assign(loaded, { n: 1 }))
      assert.equal((await destroyed).code, 'STORE_TIMEOUT')
    })
    await saved
    assert.equal((await row(db.sql, 'kept')).n, 1)
  }))

test('a save that timed out is not done with others of its batch that had more time', () =>
  withStore({ ...at, timeout: 2, max: 2 }, async (store) => {
    for (const sid of ['first', 'early', 'later']) await putRow(db.sql, sid, { n: 0 })
    let all: Promise<unknown>[] = []
    await db.sql.begin(async (holder) => {
      await holder`lock table session in access exclusive mode`
      // Keeps the only lane for writes busy, so that the next two gather.
      const first = failure(store.set('first', sessionOf({ n: 1 })))
      await sleep(750)
      const early = failure(store.set('early', sessionOf({ n: 1 })))
      await sleep(1000)
      all = [store.set('later', sessionOf({ n: 1 }))]
      await first
      assert.equal((await early).code, 'STORE_TIMEOUT')
      await sleep(100)
    })
    await Promise.all(all)
    assert.equal((await row(db.sql, 'early')).n, 0)
    assert.equal((await row(db.sql, 'later')).n, 1)
  }))

test(
  'whatever a trigger raises for one session, of 100 saves at once only that one fails',
  async () => {
    const own = await database('failed_raise')
    try {
      await own.sql.unsafe(`${tableSql};
      create function judge() returns trigger language plpgsql as $$ begin
        if new.sess->>'user' = 'bad' then
          if new.sess->>'code' = 'bug' then perform no_such_function(); end if;
          raise exception 'hunter2' using errcode = new.sess->>'code';
        end if;
        return new;
      end $$;
      create trigger judging before insert or update on session for each row execute procedure judge()`)
      const raised = (code: string) =>
        withStore({ conString: own.url, timeout: 10 }, async (store) => {
          let stored = 0
          const saves = Array.from({ length: 100 }, (_, i) =>
            store.set(`${code}-${i}`, sessionOf({ user: i === 42 ? 'bad' : 'good', code })).then(
              () => void stored++,
              (error) => {
                // The others do not wait for its end.
                if (error.code === 'STORE_TIMEOUT') assert.equal(stored, 99)
                throw error
              },
            ),
          )
          const failed = (await Promise.allSettled(saves)).flatMap((each) =>
            each.status === 'rejected' ? [each.reason] : [],
          )
          // What can be transient is tried again until the timeout, and named as the last failure.
          const isTransient = ['40001', '57P01', '53300', '2201E', '25006', '08006'].includes(code)
          assert.deepEqual(
            failed.map((error) => error.code),
            [isTransient ? 'STORE_TIMEOUT' : code === 'bug' ? '42883' : code],
          )
          // 2201E: on a slow machine the last attempt can itself come too late.
          if (isTransient) assert.match(failed[0].message, new RegExp(`${code}|2201E`))
          assert.doesNotMatch(String(failed[0]), /hunter2/)
        })
      const codes = ['40001', '57P01', '53300', '2201E', '25006', '08006', '42P01', '42501', 'bug']
      await Promise.all(codes.map(raised))
    } finally {
      await own.drop()
    }
  },
  { seconds: 60 },
)

test('a save that is refused takes no earlier save of the same session with it', async () => {
  const own = await database('failed_folded')
  try {
    await own.sql.unsafe(`${tableSql}; alter table session add check (sess->>'n' <> 'bad')`)
    await withStore({ conString: own.url }, async (store) => {
      await store.set('a', sessionOf({ n: 'first' }))
      const outcomes = await Promise.allSettled([
        store.set('a', sessionOf({ n: 'good' })),
        store.touch('a', sessionOf({ n: 'good' }, 700)),
        store.set('a', sessionOf({ n: 'bad' })),
        store.touch('a', sessionOf({ n: 'good' }, 900)),
      ])
      assert.deepEqual(
        outcomes.map((each) => (each.status === 'rejected' ? each.reason.code : 'done')),
        ['done', 'done', '23514', 'done'],
      )
      const { n, inSeconds } = await row(own.sql, 'a')
      assert.equal(n, 'good')
      assert.ok(inSeconds > 800)
    })
  } finally {
    await own.drop()
  }
})

test('a row that others lock one after the other is stored all the same', () =>
  withStore(at, async (store) => {
    await putRow(db.sql, 'hot', { n: 0 })
    const others = postgres(db.url, { max: 3, onnotice() {} })
    let busy = true
    const writer = async () => {
      while (busy)
        await others.begin(
          (sql) => sql`
          with locked as (select sid from session where sid = 'hot' for update)
          select pg_sleep(0.05) from locked`,
        )
    }
    const writers = [writer(), writer(), writer()]
    await sleep(100)
    try {
      for (let n = 1; n <= 3; n++) await store.set('hot', sessionOf({ n }))
      assert.equal((await row(db.sql, 'hot')).n, 3)
    } finally {
      busy = false
      await Promise.all(writers)
      await others.end()
    }
  }))

test('close lets gets end, and leaves no connection', () =>
  withStore({ ...at, timeout: 5 }, async (store) => {
    await putRow(db.sql, 'read', { n: 1 })
    let gets: Promise<PromiseSettledResult<SessionData | null>[]> | undefined
    let closed: Promise<void> | undefined
    await db.sql.begin(async (holder) => {
      await holder`lock table session in access exclusive mode`
      gets = Promise.allSettled(Array.from({ length: 500 }, () => store.get('read')))
      await sleep(50)
      closed = store.close()
      await sleep(300)
    })
    await closed
    const [left] = await db.sql`
      select count(*)::int as count from pg_stat_activity
      where datname = current_database() and application_name = 'connect-postgres-simple'`
    for (const each of (await gets) ?? []) assert.equal(each.status, 'fulfilled')
    assert.equal(left?.['count'], 0)
  }))

test('with isolate: false, statements that timed out take no further connection from the app', async () => {
  const sql = postgres(db.url, { max: 4, onnotice() {} })
  try {
    await withStore({ postgres: sql, isolate: false, max: 2, timeout: 1 }, async (store) => {
      await putRow(db.sql, 'a', {})
      await store.get('a')
      await db.sql.begin(async (holder) => {
        await holder`lock table session in access exclusive mode`
        for (let round = 0; round < 3; round++) {
          const both = [store.get('a'), store.set('b', sessionOf())]
          for (const each of await Promise.allSettled(both)) assert.equal(each.status, 'rejected')
        }
        const [stuck] = await db.sql`
          select count(*)::int as count from pg_stat_activity
          where datname = current_database() and wait_event_type = 'Lock'`
        assert.ok(stuck?.['count'] <= 2, `${stuck?.['count']} connections are stuck`)
        assert.equal((await sql`select 1 as one`)[0]?.['one'], 1)
      })
      assert.ok(await store.get('a'))
    })
  } finally {
    await sql.end()
  }
})

test('with isolate: false, a statement that the server still works on keeps no other from a free connection', async () => {
  const sql = postgres(db.url, { max: 4, onnotice() {} })
  try {
    await withStore({ postgres: sql, isolate: false, max: 3, timeout: 1 }, async (store) => {
      await putRow(db.sql, 'stuck', {})
      await putRow(db.sql, 'free', {})
      await store.get('free')
      await db.sql.unsafe(`
        create function dawdle() returns trigger language plpgsql as
          $$ begin if new.sid = 'stuck' then perform pg_sleep(3); end if; return new; end $$;
        create trigger dawdling before update on session for each row execute procedure dawdle()`)
      assert.equal((await failure(store.set('stuck', sessionOf()))).code, 'STORE_TIMEOUT')
      for (let i = 0; i < 5; i++) assert.ok(await store.get('free'))
    })
  } finally {
    await db.sql`drop trigger dawdling on session`
    await sql.end()
  }
})

test('a row that is freed is saved soon, beside others that stay locked and gets that go on', () =>
  withStore({ ...at, timeout: 6 }, async (store) => {
    const locked = Array.from({ length: 16 }, (_, i) => `locked-${i}`)
    for (const sid of [...locked, 'freed']) await putRow(db.sql, sid, { n: 0 })
    let busy = true
    const gets = (async () => {
      while (busy) {
        await store.get('locked-0')
        await sleep(5)
      }
    })()
    let all: Promise<unknown> = Promise.resolve()
    await db.sql.begin(async (holder) => {
      await holder`select from session where sid in ${holder(locked)} for update`
      let freed: Promise<unknown> = Promise.resolve()
      await db.sql.begin(async (other) => {
        await other`select from session where sid = 'freed' for update`
        all = Promise.all(locked.map((sid) => store.set(sid, sessionOf({ n: 1 }))))
        freed = store.set('freed', sessionOf({ n: 1 }))
        await sleep(300)
      })
      await freed
    })
    await all
    busy = false
    await gets
  }))

test('every resource that async_hooks hears of begin is one that it hears of end', async () => {
  const alive = new Set<number>()
  const hook = createHook({
    init: (id, type) => void (type === 'connect-postgres-simple' && alive.add(id)),
    destroy: (id) => void alive.delete(id),
  }).enable()
  try {
    await withStore({ ...at, timeout: 1 }, async (store) => {
      await Promise.all(Array.from({ length: 100 }, (_, i) => store.get(`none-${i}`)))
      await store.set('heard', sessionOf())
      await db.sql.begin(async (holder) => {
        await holder`select from session where sid = 'heard' for update`
        await failure(store.set('heard', sessionOf()))
      })
    })
    await sleep(20)
    assert.equal(alive.size, 0)
  } finally {
    hook.disable()
  }
})

test('a merge calls the serializer in the context of its save', () => {
  const requests = new AsyncLocalStorage<string>()
  const seen: unknown[] = []
  const serializer = {
    stringify(session: SessionData) {
      seen.push(requests.getStore())
      return JSON.stringify(session)
    },
    parse(text: string) {
      seen.push(requests.getStore())
      return JSON.parse(text)
    },
  }
  return withStore({ ...at, onConflict: 'merge', serializer }, async (store) => {
    await putRow(db.sql, 'merged', { a: 1 })
    await requests.run('mine', async () => {
      const loaded = (await store.get('merged')) as SessionData
      await db.sql`update session set sess = (sess::jsonb || '{"b": 2}')::json where sid = 'merged'`
      await store.set('merged', Object.assign(loaded, { c: 3 }))
    })
    assert.equal((await row(db.sql, 'merged')).b, 2)
    assert.ok(seen.length >= 6 && seen.every((each) => each === 'mine'), `${seen}`)
  })
})

test('a trigger that keeps a row as it is ends a save that compares, and not by asking again and again', async () => {
  const own = await database('failed_kept')
  try {
    await own.sql.unsafe(`${tableSql};
      create function keep() returns trigger language plpgsql as 'begin return null; end';
      create trigger keeping before update on session for each row execute procedure keep()`)
    for (const onConflict of ['merge', 'error'] as const)
      await withStore({ conString: own.url, onConflict }, async (store) => {
        await putRow(own.sql, onConflict, { n: 0 })
        const loaded = (await store.get(onConflict)) as SessionData
        await store.set(onConflict, Object.assign(loaded, { n: 1 }))
        assert.equal((await row(own.sql, onConflict)).n, 0)
      })
  } finally {
    await own.drop()
  }
})

test('no connection is left behind', () => db.drop())
