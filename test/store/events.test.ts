// The events `expire` and `destroy`: who is told of what, when, and what a listener can do wrong.

import assert from 'node:assert/strict'
import { AsyncLocalStorage } from 'node:async_hooks'
import type { SessionData } from 'express-session'
import type { DestroyEvent, ExpireEvent } from '../../src/index.ts'
import { deletes } from '../../src/pruning/deletes.ts'
import { prune } from '../../src/pruning/prune.ts'
import { browser, serve } from '../support/app.ts'
import { database, tableSql } from '../support/database.ts'
import { failure } from '../support/failure.ts'
import { incumbent } from '../support/incumbent.ts'
import { gather, worker } from '../support/processes.ts'
import { promises } from '../support/promise.ts'
import { backends, putRow, row, withStore } from '../support/store.ts'

const db = await database('events')
await db.sql.unsafe(tableSql)
const test = promises('events')
const at = { conString: db.url }
const requests = new AsyncLocalStorage<string>()

const arrange = async (count: number) => {
  await db.sql`truncate session`
  await putRow(db.sql, 'live', {})
  await db.sql`
    insert into session
    select 'dead-' || n, json_build_object('cookie', json_build_object(), 'n', n), now() - n * interval '1 minute'
    from generate_series(1, ${count}::int) n`
}
const dead = (count: number) => Array.from({ length: count }, (_, i) => `dead-${i + 1}`).sort()

test('expire is told of each session that a prune deletes, with sid and session, and of no other', () =>
  withStore({ ...at, maxLifetime: 3600 }, async (store) => {
    await arrange(750)
    await putRow(db.sql, 'with-user', { user: 'ann', 'connect-postgres-simple:created': 5 }, -60)
    const told = new Map<string, any>()
    store.on('expire', ({ sid, session }) => {
      assert.ok(!told.has(sid), 'twice')
      told.set(sid, session)
    })
    assert.equal(await store.pruneSessions(), 751)
    assert.deepEqual([...told.keys()].sort(), [...dead(750), 'with-user'])
    assert.deepEqual(told.get('dead-7'), { cookie: {}, n: 7 })
    assert.equal(told.get('with-user').user, 'ann')
    assert.deepEqual(Object.keys(told.get('with-user')), ['cookie', 'user'])
    assert.equal(await store.pruneSessions(), 0)
    assert.equal(told.size, 751)
  }))

test('of several processes that prune at once, one is told of each session', async () => {
  await arrange(3000)
  const answers = await gather([1, 2, 3].map(() => worker('expire', { url: db.url })))
  assert.deepEqual(answers.flatMap(({ told }) => told).sort(), dead(3000))
  for (const { told, count } of answers) assert.equal(told.length, count)
})

test('without a listener the deleted rows are not read, and with one that is gone they are not any more', () =>
  withStore({ ...at, max: 1 }, async (store) => {
    const lastStatement = async () => {
      const [pid] = await backends(db.sql)
      const [found] = await db.sql`select query from pg_stat_activity where pid = ${pid as number}`
      return found?.['query'] as string
    }
    const listener = () => {}
    for (const [listens, change] of [
      [false, () => {}],
      [true, () => store.on('expire', listener)],
      [false, () => store.off('expire', listener)],
    ] as const) {
      change()
      await arrange(3)
      assert.equal(await store.pruneSessions(), 3)
      assert.equal(/returning .*sess/.test(await lastStatement()), listens)
    }
  }))

test('a row that cannot be read is told of with null, and errorLog hears of it once', async () => {
  const logged: any[] = []
  await withStore({ ...at, errorLog: (...values) => logged.push(values) }, async (store) => {
    await arrange(2)
    await db.sql`alter table session alter sess drop not null`
    await db.sql`
      insert into session
      values ('odd-7', '7', now() - interval '1 hour'), ('odd-null', null, now() - interval '1 hour')`
    const told: ExpireEvent[] = []
    store.on('expire', (event) => told.push(event))
    assert.equal(await store.pruneSessions(), 4)
    assert.deepEqual(told.map(({ sid, session }) => [sid, session === null]).sort(), [
      ['dead-1', false],
      ['dead-2', false],
      ['odd-7', true],
      ['odd-null', true],
    ])
    assert.equal(logged.length, 1)
    assert.match(logged[0][0], /Pruned 2 session\(s\) that cannot be read/)
    assert.equal(logged[0][1].code, 'STORE_SESSION')
    await db.sql`alter table session alter sess set not null`
  })
})

test('a listener that throws or rejects ends nothing, and the others are told', async () => {
  const logged: any[] = []
  await withStore({ ...at, errorLog: (...values) => logged.push(values) }, async (store) => {
    await arrange(250)
    const told: string[] = []
    store.on('expire', () => {
      throw new Error('thrown')
    })
    store.on('expire', async () => {
      throw new Error('rejected')
    })
    store.once('expire', ({ sid }) => told.push(`once ${sid}`))
    store.on('expire', ({ sid }) => told.push(sid))
    assert.equal(await store.pruneSessions(), 250)
    assert.equal(told.length, 251)
    store.on('destroy', () => {
      throw new Error('thrown')
    })
    await store.destroy('live')
    await new Promise((resume) => setImmediate(resume))
    assert.equal(await row(db.sql, 'live'), undefined)
    assert.equal(logged.length, 501)
    assert.deepEqual([...new Set(logged.map(([text, error]) => `${text}: ${error.message}`))].sort(), [
      'A listener of `destroy` failed: thrown',
      'A listener of `expire` failed: rejected',
      'A listener of `expire` failed: thrown',
    ])
  })
})

test('rows that the database keeps are not told of, nor those deleted by SQL or by connect-pg-simple', () =>
  withStore({ ...at, errorLog() {} }, async (store) => {
    await arrange(300)
    await db.sql.unsafe(`
      create table carts (sid varchar references session);
      insert into carts values ('dead-3'), ('dead-200')`)
    const told: string[] = []
    store.on('expire', ({ sid }) => told.push(sid))
    assert.equal(await store.pruneSessions(), 298)
    assert.deepEqual(
      told.sort(),
      dead(300).filter((sid) => sid !== 'dead-3' && sid !== 'dead-200'),
    )
    await db.sql`drop table carts`
    await db.sql`delete from session where sid = 'dead-3'`
    const beside = incumbent(db.url)
    await beside.prune()
    await beside.close()
    assert.equal(await store.pruneSessions(), 0)
    assert.equal(told.length, 298)
  }))

test('expire runs in the context of no request, by the timer and by hand, and destroy in that of its call', async () => {
  const seen: unknown[] = []
  await requests.run('first request', () =>
    withStore({ ...at, pruneSessionInterval: 0.01 }, async (store) => {
      await arrange(1)
      let wake = () => {}
      const pruned = new Promise<void>((resolve) => {
        wake = resolve
      })
      store.on('expire', () => {
        seen.push(requests.getStore())
        wake()
      })
      await store.get('live')
      await pruned
    }),
  )
  await withStore(at, async (store) => {
    await arrange(1)
    store.on('expire', () => seen.push(requests.getStore()))
    store.on('destroy', ({ sid }) => seen.push([sid, requests.getStore()]))
    await requests.run('by hand', () => store.pruneSessions())
    await Promise.all(['a', 'b'].map((sid) => requests.run(`request ${sid}`, () => store.destroy(sid))))
    await requests.run('clears', () => store.clear())
  })
  assert.deepEqual(seen, [
    undefined,
    undefined,
    ['a', 'request a'],
    ['b', 'request b'],
    [undefined, 'clears'],
  ])
})

test('destroy is told of each call that succeeded, once the row is gone, before the call is answered', () =>
  withStore(at, async (store) => {
    await arrange(1)
    const told: (string | undefined)[] = []
    store.on('destroy', ({ sid }: DestroyEvent) => told.push(sid))
    await store.destroy('live')
    assert.deepEqual(told, ['live'])
    await new Promise((resolve) => store.destroy('never-there', resolve))
    await store.clear()
    assert.deepEqual(told, ['live', 'never-there', undefined])
    assert.equal((await failure(store.destroy(''))).code, 'STORE_SID')
    await db.sql`alter table session rename to away`
    assert.ok((await failure(store.destroy('live'))).code)
    assert.ok((await failure(store.clear())).code)
    await db.sql`alter table away rename to session`
    assert.equal(told.length, 3)
  }))

test('a logout and a new sid at the login are told as destroy, and no request hears connect or disconnect', () =>
  withStore(at, async (store) => {
    const told: unknown[] = []
    store.on('destroy', ({ sid }) => told.push(sid))
    for (const name of ['connect', 'disconnect']) store.on(name, () => told.push(name))
    const app = await serve({ store })
    try {
      const ann = browser()
      const first = (await ann.get(app, '/login?user=ann')).body.sid
      const second = (await ann.get(app, '/regenerate')).body.after
      await db.sql`select pg_terminate_backend(pid) from unnest(${await backends(db.sql)}::int[]) pid`
      assert.equal((await ann.get(app, '/me')).status, 200)
      await ann.get(app, '/logout')
      assert.deepEqual(told.slice(-2), [first, second])
      assert.equal(told.length, 3, 'the first login destroys the sid of a visitor')
    } finally {
      await app.close()
    }
  }))

test('with an async serializer all are told by the end of the prune, which waits no longer than the timeout', async () => {
  const parse = async (text: string) => {
    await new Promise((resume) => setTimeout(resume, 20))
    const session: SessionData & { n?: number } = JSON.parse(text)
    return session.n === 2 ? new Promise<SessionData>(() => {}) : session
  }
  const serializer = { stringify: JSON.stringify, parse }
  await withStore({ ...at, timeout: 1, serializer, errorLog() {} }, async (store) => {
    await arrange(1)
    const told: string[] = []
    store.on('expire', ({ sid }) => told.push(sid))
    assert.equal(await store.pruneSessions(), 1)
    assert.deepEqual(told, ['dead-1'])
    await arrange(3)
    assert.equal(await store.pruneSessions(), 3)
    assert.deepEqual(told.sort(), ['dead-1', 'dead-1', 'dead-2', 'dead-3'])
  })
})

test('a server without advisory locks tells as well', async () => {
  const own = await database('events_plain')
  try {
    await own.sql.unsafe(tableSql)
    await own.sql.unsafe('alter function pg_catalog.pg_try_advisory_xact_lock(int, int) rename to gone')
    await own.sql`insert into session values ('dead', '{"cookie":{}}', now() - interval '1 hour')`
    await withStore({ conString: own.url }, async (store) => {
      const told: string[] = []
      store.on('expire', ({ sid }) => told.push(sid))
      assert.equal(await store.pruneSessions(), 1)
      assert.deepEqual(told, ['dead'])
    })
  } finally {
    await own.drop()
  }
})

test('no more than 100 rows are read at once, as their texts are in memory together', async () => {
  const limits: number[] = []
  const table = {
    async queryAs(_: string, values: () => { limit: number }, read: (rows: unknown[]) => unknown) {
      const { limit } = values()
      limits.push(limit)
      const deleted = limits.length < 4 ? limit : 0
      const rows = Array.from({ length: deleted }, (_, i) => [null, null, null, null, `sid-${i}`, '{}'])
      return read([[String(deleted), String(deleted), '5', '0', null, null], ...rows])
    },
  } as unknown as Parameters<typeof deletes>[0]
  let told = 0
  const witness = {
    isPresent: () => true,
    async tell(rows: readonly unknown[]) {
      told += rows.length
    },
  }
  const options = { batchSize: 1000, isStopped: () => false, onRowsStay: () => assert.fail('none stays') }
  const { total } = await prune(deletes(table, witness), { from: '', skip: 0 }, options)
  assert.deepEqual([limits, total, told], [[100, 100, 100, 100], 300, 300])
})

test('rows that are not as many as were deleted are told to nobody', async () => {
  const answers: (string | null)[][] = [
    ['2', '2', '5', '0', null, null],
    [null, null, null, null, 'stranger', '{}'],
  ]
  const queryAs = async (_: string, __: unknown, read: (rows: unknown[]) => unknown) => read(answers)
  const table = { queryAs } as unknown as Parameters<typeof deletes>[0]
  const witness = { isPresent: () => true, tell: async () => assert.fail('told') }
  const pruning = deletes(table, witness).oldest(100, { from: '', skip: 0 })
  assert.equal((await failure(pruning)).code, 'STORE_MISMATCH')
})

test('no connection is left behind', () => db.drop())
