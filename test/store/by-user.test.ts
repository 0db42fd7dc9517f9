// The sessions of a user: listed and destroyed, in order with everything else, and of nobody else.

import assert from 'node:assert/strict'
import { AsyncLocalStorage } from 'node:async_hooks'
import type { SessionData } from 'express-session'
import { database, tableSql } from '../support/database.ts'
import { failure } from '../support/failure.ts'
import { incumbent } from '../support/incumbent.ts'
import { worker } from '../support/processes.ts'
import { promises } from '../support/promise.ts'
import { putRow, row, sessionOf, withStore } from '../support/store.ts'

const db = await database('by_user')
await db.sql.unsafe(tableSql)
const test = promises('by user')
const at = { conString: db.url }

const of = (user: unknown, data: object = {}) => ({ passport: { user }, ...data })
const sidsLike = async (pattern: string): Promise<string[]> =>
  (await db.sql`select sid from session where sid like ${pattern} order by sid`).map(({ sid }) => sid)

/** Puts rows of a user, whose sids are given with the seconds until they expire. */
const putRows = async (user: unknown, rows: Record<string, number>): Promise<void> => {
  for (const [sid, seconds] of Object.entries(rows)) await putRow(db.sql, sid, of(user), seconds)
}

/** Runs while somebody else has locked a row. */
const whileLocked = (sid: string, during: () => Promise<void>) =>
  db.sql.begin(async (holder) => {
    await holder`select from session where sid = ${sid} for update`
    await during()
  })

test('the sessions of a user are listed, the last to expire first, and those of others are not', () =>
  withStore(at, async (store) => {
    await putRows(7, { 'list-1': 100, 'list-2': 300, 'list-3': 200, 'list-gone': -5 })
    await putRows('7', { 'list-4': 50 })
    await putRows(77, { 'list-other': 100 })
    await putRow(db.sql, 'list-nobody', { passport: {}, user: 7 })
    const entries = await store.entriesByUser(7)
    assert.deepEqual(
      entries.map(({ sid }) => sid),
      ['list-2', 'list-3', 'list-1', 'list-4'],
    )
    assert.deepEqual(await store.entriesByUser('7'), entries)
    assert.deepEqual(await store.idsByUser(7n), ['list-2', 'list-3', 'list-1', 'list-4'])
    const [first] = entries
    assert.ok(first)
    assert.equal((first.session as any).passport.user, 7)
    assert.ok(Math.abs(first.expires.getTime() - Date.now() - 300_000) < 10_000)
    assert.deepEqual(await store.entriesByUser('nobody'), [])
  }))

test('a session that is listed counts as loaded: a save does not bring it back after a logout', () =>
  withStore(at, async (store) => {
    await putRows('listed', { listed: 100 })
    const [entry] = await store.entriesByUser('listed')
    await db.sql`delete from session where sid = 'listed'`
    await store.set('listed', entry?.session as SessionData)
    assert.equal(await row(db.sql, 'listed'), undefined)
  }))

test('an id is found at `userIdPath`, whatever the names there', async () => {
  const paths = [['userId'], ['a', 'b"\\u\'{},'], ['accounts', '0', 'id'], ['__proto__', 'x']]
  for (const [i, userIdPath] of paths.entries()) {
    await withStore(
      { ...at, userIdPath, tableName: `path_${i}`, createTableIfMissing: true, userIndex: true },
      async (store) => {
        const data = [...userIdPath]
          .reverse()
          .reduce<any>((value, name) => (name === '0' ? [value] : Object.fromEntries([[name, value]])), 'me')
        await store.set('mine', sessionOf(data))
        await store.set('other', sessionOf({ passport: { user: 'me' } }))
        assert.deepEqual(await store.idsByUser('me'), ['mine'])
      },
    )
  }
})

test('rows that connect-pg-simple wrote are found and destroyed, also with ids of any characters', async () => {
  const theirs = incumbent(db.url)
  try {
    await withStore(at, async (store) => {
      const ids = ['ann', '"\\u00e9"', 'é😀', '\u0000', '\ud800', 'a\u0000\n', 'x'.repeat(100_000), '%_', "'"]
      for (const [i, id] of ids.entries()) await theirs.set(`their-${i}`, sessionOf(of(id)))
      for (const [i, id] of ids.entries()) assert.deepEqual(await store.idsByUser(id), [`their-${i}`])
      for (const [i, id] of ids.entries()) {
        assert.equal(await store.destroyByUser(id), 1)
        assert.ok(!(await theirs.get(`their-${i}`)))
        assert.equal((await sidsLike('their-%')).length, ids.length - i - 1)
      }
    })
  } finally {
    await theirs.close()
  }
})

test('all sessions of a user are destroyed and nobody else’s, and the number counts those that were alive', () =>
  withStore(at, async (store) => {
    await putRows('all', { 'all-1': 100, 'all-2': 200, 'all-expired': -5 })
    await putRows('all too', { 'all-other': 100 })
    assert.equal(await store.destroyByUser('all'), 2)
    assert.deepEqual(await sidsLike('all-%'), ['all-other'])
    assert.equal(await store.destroyByUser('all'), 0)
  }))

test('`except` spares the current session, and `keep` leaves those that expire last', () =>
  withStore(at, async (store) => {
    await putRows('some', { 'some-1': 100, 'some-2': 200, 'some-3': 300, 'some-4': 400 })
    assert.equal(await store.destroyByUser('some', { keep: 4 }), 0)
    assert.equal(await store.destroyByUser('some', { keep: 3, except: 'some-1' }), 1)
    assert.deepEqual(await sidsLike('some-%'), ['some-1', 'some-3', 'some-4'])
    assert.equal(await store.destroyByUser('some', { keep: 2 }), 1)
    assert.equal(await store.destroyByUser('some', { except: ['some-3', 'elsewhere'] }), 1)
    assert.deepEqual(await sidsLike('some-%'), ['some-3'])
  }))

test('more sessions than are destroyed at a time are all destroyed', () =>
  withStore(at, async (store) => {
    await db.sql`
      insert into session
      select 'many-' || i, json_build_object('passport', json_build_object('user', 'many')), now() + interval '1 hour'
      from generate_series(1, 2500) i`
    assert.equal(await store.destroyByUser('many', { keep: 1 }), 2499)
    assert.equal((await sidsLike('many-%')).length, 1)
  }))

test('what is no id, and options that are none, destroy nothing', () =>
  withStore(at, async (store) => {
    await putRow(db.sql, 'untouched', { passport: {} })
    const before = await sidsLike('%')
    for (const id of [undefined, null, '', Number.NaN, {}, [], true] as any[]) {
      for (const call of [store.entriesByUser(id), store.idsByUser(id), store.destroyByUser(id)])
        assert.equal((await failure(call)).name, 'TypeError')
    }
    for (const options of [null, { keep: -1 }, { keep: Number.NaN }, { excpet: 'a' }] as any[])
      assert.equal((await failure(store.destroyByUser('many', options))).name, 'TypeError')
    assert.equal((await failure(store.destroyByUser('many', { except: '' }))).code, 'STORE_SID')
    assert.deepEqual(await sidsLike('%'), before)
  }))

test('listeners are told of each session that is destroyed, and of no other', () =>
  withStore(at, async (store) => {
    await putRows('told', { 'told-1': 100, 'told-2': 200, 'told-3': 300 })
    const told: string[] = []
    store.on('destroy', ({ sid }) => told.push(String(sid)))
    await store.destroyByUser('told', { keep: 1 })
    assert.deepEqual(told.sort(), ['told-1', 'told-2'])
  }))

test('each takes a callback, which is called once in the async context of the call', () =>
  withStore(at, async (store) => {
    await putRows('called', { called: 100 })
    const context = new AsyncLocalStorage<string>()
    const call = (begin: (callback: (...results: any[]) => void) => unknown) =>
      new Promise<any[]>((resolve) =>
        context.run('mine', () => {
          const returned = begin((...results) => resolve([...results, context.getStore()]))
          assert.equal(returned, undefined)
        }),
      )
    const [error, entries, where] = await call((done) => store.entriesByUser('called', done))
    assert.deepEqual([error, entries[0].sid, where], [null, 'called', 'mine'])
    assert.deepEqual(await call((done) => store.idsByUser('called', done)), [null, ['called'], 'mine'])
    assert.deepEqual(await call((done) => store.destroyByUser('called', { keep: 1 }, done)), [
      null,
      0,
      'mine',
    ])
    assert.deepEqual(await call((done) => store.destroyByUser('called', done)), [null, 1, 'mine'])
    const [refused, , nowhere] = await call((done) => store.idsByUser('', done))
    assert.equal(refused.name, 'TypeError')
    assert.equal(nowhere, undefined)
    assert.deepEqual(
      await context.run('mine', async () => [await store.idsByUser('called'), context.getStore()]),
      [[], 'mine'],
    )
  }))

test('what was issued before on a user’s sessions is seen, whatever it was', async () => {
  const slow = {
    stringify: async (session: SessionData) => {
      await new Promise((resume) => setTimeout(resume, 20))
      return JSON.stringify(session)
    },
    parse: JSON.parse,
  }
  for (const serializer of [undefined, slow]) {
    await withStore({ ...at, serializer, max: 4 }, async (store) => {
      for (let round = 0; round < 20; round++) {
        const id = `order ${round}`
        await putRows(id, { 'order-out': 100, 'order-moved': 100 })
        const issued = [
          store.set('order-new', sessionOf(of(id))),
          store.destroy('order-out'),
          store.set('order-moved', sessionOf(of('somebody else'))),
        ]
        assert.deepEqual(await store.idsByUser(id), ['order-new'])
        issued.push(store.set('order-last', sessionOf(of(id))))
        assert.equal(await store.destroyByUser(id), 2)
        issued.push(store.set('order-new', sessionOf(of(id))))
        const cleared = [store.clear(), store.idsByUser(id)] as const
        assert.deepEqual(await cleared[1], [])
        await Promise.all([...issued, ...cleared])
      }
    })
  }
})

test('a save over which one was folded that fails is seen as well', async () => {
  const own = await database('by_user_folded')
  try {
    await own.sql.unsafe(tableSql)
    await own.sql`alter table session add check (sess->>'bad' is null)`
    await withStore({ conString: own.url, userIdPath: ['user'] }, async (store) => {
      for (let round = 0; round < 10; round++) {
        const sid = `folded-${round}`
        const good = store.set(sid, sessionOf({ user: 'ann' }))
        const bad = failure(store.set(sid, sessionOf({ bad: 1 })))
        assert.equal(await store.destroyByUser('ann'), 1)
        await good
        assert.equal(((await bad) as { code: string }).code, '23514')
        assert.equal((await own.sql`select from session`).length, 0)
      }
    })
  } finally {
    await own.drop()
  }
})

test('a locked row of somebody else delays nobody, and one of the user is waited for', () =>
  withStore(at, async (store) => {
    await putRows('locked', { 'locked-1': 100, 'locked-2': 200 })
    await putRows('neighbour', { 'neighbour-1': 100 })
    let saved: Promise<void> | undefined
    let destroyed: Promise<number> | undefined
    await whileLocked('locked-1', async () => {
      const session = (await store.get('locked-1')) as SessionData
      saved = store.set('locked-1', Object.assign(session, { saved: true }))
      destroyed = store.destroyByUser('locked')
      assert.deepEqual(await store.idsByUser('neighbour'), ['neighbour-1'])
      assert.equal(await store.destroyByUser('neighbour'), 1)
    })
    await saved
    assert.equal(await destroyed, 2)
    assert.deepEqual(await sidsLike('locked-%'), [])
  }))

test('a row that stays locked is a STORE_TIMEOUT, after which the user’s other sessions are gone', () =>
  withStore({ ...at, timeout: 1 }, async (store) => {
    await putRows('stuck', { 'stuck-1': 100, 'stuck-2': 200 })
    await whileLocked('stuck-1', async () => {
      const began = performance.now()
      const error = await failure(store.destroyByUser('stuck'))
      assert.equal(error.code, 'STORE_TIMEOUT')
      assert.ok(performance.now() - began < 10_000)
      assert.deepEqual(await sidsLike('stuck-%'), ['stuck-1'])
      assert.doesNotMatch(String(error.stack), /stuck/)
    })
    assert.equal(await store.destroyByUser('stuck'), 1)
  }))

test('a call ends within `timeout` of its beginning, also if it has to wait for an earlier write', () =>
  withStore({ ...at, timeout: 2 }, async (store) => {
    await putRows('bounded', { bounded: 100 })
    const session = (await store.get('bounded')) as SessionData
    const ended: string[] = []
    const note = (name: string, call: Promise<unknown>) => failure(call).then(() => ended.push(name))
    const pause = (ms: number) => new Promise((resume) => setTimeout(resume, ms))
    await whileLocked('bounded', async () => {
      const calls = [note('save', store.set('bounded', Object.assign(session, { n: 1 })))]
      await pause(500)
      calls.push(note('destroyByUser', store.destroyByUser('bounded')))
      await pause(1000)
      // Its time is over a second after that of the call before.
      calls.push(note('last', store.set('bounded', sessionOf(of('bounded')))))
      await Promise.all(calls)
    })
    assert.deepEqual(ended, ['save', 'destroyByUser', 'last'])
  }))

test('searches that take long, as without an index, leave connections for everything else', () =>
  withStore({ ...at, tableName: 'lazy', max: 2 }, async (store) => {
    await putRows('patient', { quick: 200, slow: 100 })
    await db.sql.unsafe(`
      create view lazy as
      select sid, case sid when 'slow' then (select sess from pg_sleep(0.2)) else sess end as sess, expire
      from session where sid in ('quick', 'slow')`)
    let searched = 0
    const searches = Array.from({ length: 6 }, () => store.idsByUser('patient').then(() => searched++))
    await new Promise((resume) => setTimeout(resume, 100))
    for (let i = 0; i < 3; i++) assert.ok(await store.get('quick'))
    assert.ok(searched <= 3, `${searched} of 6 searches came first`)
    await Promise.all(searches)
    assert.deepEqual(await store.idsByUser('patient'), ['quick', 'slow'])
  }))

test('a server that is away is waited for until `timeout`, and calls beyond the limit are STORE_BUSY', async () => {
  const away = { conString: 'postgres://nobody@127.0.0.1:1/nowhere', timeout: 1, errorLog() {} }
  await withStore(away, async (store) => {
    for (const code of ['STORE_TIMEOUT', 'STORE_TIMEOUT'])
      assert.equal((await failure(store.idsByUser(1))).code, code)
    const waiting = Array.from({ length: 50_000 }, (_, i) => store.get(String(i)).catch(() => {}))
    for (const call of [store.idsByUser(1), store.entriesByUser(1), store.destroyByUser(1)])
      assert.equal((await failure(call)).code, 'STORE_BUSY')
    await Promise.all(waiting)
  })
  const closed = await withStore(at, async (store) => store)
  for (const call of [closed.idsByUser(1), closed.destroyByUser(1), closed.createUserIndex()])
    assert.equal((await failure(call)).code, 'STORE_CLOSED')
})

test('a connection that is lost is made again, and nothing is destroyed twice', () =>
  withStore(at, async (store) => {
    for (let round = 0; round < 5; round++) {
      await putRows('lost', { 'lost-1': 100, 'lost-2': 200 })
      const destroyed = store.destroyByUser('lost')
      await db.sql`
        select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and application_name = 'connect-postgres-simple'`
      assert.equal(await destroyed, 2)
      assert.deepEqual(await sidsLike('lost-%'), [])
    }
  }))

test('a request that loaded a session before does not bring it back, also one that outlives its session', () =>
  withStore(at, async (store) => {
    await putRows('late', { 'late-1': 600, 'late-2': 1 })
    const sids = ['late-1', 'late-2']
    const sessions = await Promise.all(sids.map((sid) => store.get(sid)))
    await new Promise((resume) => setTimeout(resume, 2100))
    assert.equal(await store.destroyByUser('late'), 1)
    for (const [i, session] of sessions.entries()) {
      await store.set(sids[i] as string, Object.assign(session as SessionData, sessionOf()))
      await store.touch(sids[i] as string, session as SessionData)
    }
    assert.deepEqual(await sidsLike('late-%'), [])
  }))

test('a row that cannot be read as a session is skipped and reported, and still destroyed', async () => {
  const logged: string[] = []
  const serializer = {
    stringify: JSON.stringify,
    parse(text: string) {
      if (text.includes('broken')) throw new Error('no session')
      return JSON.parse(text)
    },
  }
  await withStore({ ...at, serializer, errorLog: (message) => logged.push(message) }, async (store) => {
    await putRows('half', { 'half-1': 100 })
    await putRow(db.sql, 'half-2', of('half', { broken: true }))
    assert.deepEqual(
      (await store.entriesByUser('half')).map(({ sid }) => sid),
      ['half-1'],
    )
    assert.deepEqual(logged, ['Skipped 1 session(s) that cannot be read'])
    assert.equal(await store.destroyByUser('half'), 2)
  })
})

test('a serializer that encrypts can leave the id beside what it encrypts', async () => {
  const serializer = {
    stringify: ({ passport, ...session }: any) =>
      JSON.stringify({ passport, sealed: Buffer.from(JSON.stringify(session)).toString('base64') }),
    parse(text: string) {
      const { passport, sealed } = JSON.parse(text)
      return { ...JSON.parse(Buffer.from(sealed, 'base64').toString()), passport }
    },
  }
  await withStore({ ...at, serializer }, async (store) => {
    await store.set('sealed', sessionOf(of('sealed', { secret: 1 })))
    const [entry] = (await store.entriesByUser('sealed')) as any[]
    assert.equal(entry.session.secret, 1)
    assert.equal(await store.destroyByUser('sealed'), 1)
  })
})

test('columns of other types: jsonb, text with rows that are no JSON, sids without case', async () => {
  await db.sql.unsafe(tableSql.replace('json', 'jsonb').replaceAll('session', 'binary'))
  await db.sql.unsafe(tableSql.replace('json', 'text').replaceAll('session', 'plain'))
  await db.sql`insert into plain values ('none', 'no JSON', now() + interval '1 day')`
  await db.sql.unsafe(tableSql.replaceAll('session', 'uuids').replace('varchar collate "default"', 'uuid'))
  const [one, two] = ['00000000-0000-4000-8000-000000000001', '00000000-0000-4000-8000-000000000002']
  for (const tableName of ['binary', 'plain', 'uuids']) {
    await withStore({ ...at, tableName }, async (store) => {
      await store.set(one, sessionOf(of(42)))
      await store.set(two, sessionOf(of('42')))
      const version = await db.sql`select current_setting('server_version_num')::int as version`
      if (tableName !== 'plain' || version[0]?.['version'] >= 160_000) await store.createUserIndex()
      assert.deepEqual((await store.idsByUser(42)).sort(), [one, two])
      assert.equal(await store.destroyByUser(42, { except: one }), 1)
      assert.deepEqual(await store.idsByUser('42'), [one])
    })
  }
})

test(
  '1,000 times, three processes: saves by this store do not bring a user’s session back, those of connect-pg-simple do only if they end after the call',
  async () => {
    const workers = (['ours', 'theirs', 'ours'] as const).map((saver) =>
      worker('by-user', { url: db.url, saver }),
    )
    const [ours, theirs, destroyer] = workers as [
      (typeof workers)[0],
      (typeof workers)[0],
      (typeof workers)[0],
    ]
    try {
      await Promise.all(workers.map((each) => each.next()))
      const sids = Array.from({ length: 1000 }, (_, i) => `race-${i}`)
      await db.sql`
        insert into session
        select sid, json_build_object(
          'cookie', json_build_object('originalMaxAge', 3600000, 'expires', now() + interval '1 hour'),
          'passport', json_build_object('user', 'user of ' || sid)), now() + interval '1 hour'
        from unnest(${sids}::text[]) sid`
      for (const saver of [ours, theirs]) saver.tell({ verb: 'load', sids })
      await Promise.all([ours.next(), theirs.next()])
      for (const saver of [ours, theirs]) saver.tell({ verb: 'save', sids })
      destroyer.tell({ verb: 'destroyByUser', sids })
      const [saved, theirSaves, destroyed] = await Promise.all(workers.map((each) => each.next()))
      assert.deepEqual(
        [...saved, ...theirSaves].filter(({ result }: any) => result !== undefined),
        [],
      )
      const left = await sidsLike('race-%')
      for (const [i, sid] of sids.entries()) {
        const isBack = theirSaves[i].ended >= destroyed[i].began
        if (left.includes(sid)) assert.ok(isBack, 'only connect-pg-simple brings a session back')
        // It was destroyed by this call, or by none: a save that came before leaves a row to destroy.
        assert.equal(destroyed[i].result, 1)
      }
      // Now that connect-pg-simple is quiet, a second call is for good, whatever the other process saves.
      destroyer.tell({ verb: 'destroyByUser', sids })
      ours.tell({ verb: 'save', sids })
      await Promise.all([ours.next(), destroyer.next()])
      assert.deepEqual(await sidsLike('race-%'), [])
    } finally {
      await Promise.all(workers.map((each) => each.end()))
    }
  },
  { seconds: 90 },
)

test('no connection is left behind', () => db.drop())
