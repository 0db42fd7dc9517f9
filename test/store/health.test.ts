// What a readiness probe and a metrics page are told.

import assert from 'node:assert/strict'
import { setTimeout as pause } from 'node:timers/promises'
import type { SessionData } from 'express-session'
import postgres from 'postgres'
import { proxy } from '../faults/proxy.ts'
import { database, tableSql } from '../support/database.ts'
import { failure } from '../support/failure.ts'
import { promises, within } from '../support/promise.ts'
import { backends, endless, putRow, Store, sessionOf, withStore } from '../support/store.ts'

const db = await database('health')
await db.sql.unsafe(tableSql)
const test = promises('health')
const at = { conString: db.url }

test('health is ok where the table is ready, and tells version, zone, clock and connections', () =>
  withStore({ ...at, max: 3 }, async (store) => {
    const health = await store.health()
    const [server] =
      await db.sql`select current_setting('server_version') as v, current_setting('TimeZone') as z`
    const { latencyMs, clockSkewMs = Number.NaN, ...rest } = health
    assert.deepEqual(rest, {
      ok: true,
      serverVersion: server?.['v'],
      timeZone: server?.['z'],
      table: 'ready',
      waiting: 0,
      connections: { max: 3, open: 1, busy: 0 },
    })
    assert.ok(latencyMs > 0)
    // One machine, one clock: half of the way there and back is what can be wrong.
    assert.ok(Math.abs(clockSkewMs) <= latencyMs + 5, `${clockSkewMs} ms`)
  }))

test('health tells that the table is missing, and ok when it has come', () =>
  withStore({ ...at, tableName: 'later' }, async (store) => {
    const { ok, table, serverVersion } = await store.health()
    assert.deepEqual([ok, table], [false, 'missing'])
    assert.ok(serverVersion)
    await store.createTable()
    assert.equal((await store.health()).ok, true)
  }))

test('health tells when a right on the table is missing', async () => {
  await db.sql`create role reader_of_health login password 'reader'`
  try {
    const columns = db.sql`(sid, sess, expire)`
    await db.sql`grant select ${columns}, insert ${columns} on session to reader_of_health`
    await db.sql`grant update (sid, sess) on session to reader_of_health`
    const url = new URL(db.url)
    Object.assign(url, { username: 'reader_of_health', password: 'reader' })
    await withStore({ conString: url.href }, async (store) => {
      const { ok, table } = await store.health()
      assert.deepEqual([ok, table], [false, 'forbidden'])
      await db.sql`grant delete on session to reader_of_health`
      assert.equal((await store.health()).table, 'forbidden')
      await db.sql`grant update (expire) on session to reader_of_health`
      assert.equal((await store.health()).table, 'ready', 'by a right on each of the columns')
      await db.sql`revoke select, insert, update on session from reader_of_health`
      assert.equal((await store.health()).table, 'forbidden')
      await db.sql`grant select, insert, update on session to reader_of_health`
      assert.equal((await store.health()).table, 'ready')
    })
  } finally {
    await db.sql`drop owned by reader_of_health`
    await db.sql`drop role reader_of_health`
  }
})

test('health tells when the connections are read-only', async () => {
  const url = new URL(db.url)
  url.searchParams.set('options', '-c default_transaction_read_only=on')
  await withStore({ conString: url.href }, async (store) => {
    const { ok, table } = await store.health()
    assert.deepEqual([ok, table], [false, 'readOnly'])
  })
})

test('health is not ok, and says why, where no server listens', async () => {
  const store = new Store({ conString: `postgres://127.0.0.1:1/none`, errorLog() {} })
  const { ok, code, message, connections } = await within(8, () => store.health())
  assert.equal(ok, false)
  assert.equal(code, 'STORE_TIMEOUT')
  assert.match(String(message), /ECONNREFUSED/)
  assert.equal(connections.open, 0)
  await store.close()
})

test('health comes long before the timeout where the server has stopped to answer, and then again when it does', async () => {
  const between = await proxy(db.url)
  const store = new Store({ conString: between.url, timeout: 60, max: 1, pruneSessionInterval: false })
  try {
    assert.equal((await store.health()).ok, true)
    between.become('hole')
    const get = store.get('sid')
    const { ok, code, waiting } = await within(20, () => store.health())
    assert.deepEqual([ok, code, waiting], [false, 'STORE_TIMEOUT', 1])
    between.become('pass')
    assert.equal(await get, null)
    assert.equal((await store.health()).ok, true)
  } finally {
    await store.close()
    await between.close()
  }
})

test('health says why the server is away while another operation is on its only connection', async () => {
  const between = await proxy(db.url)
  const logged: string[] = []
  const errorLog = (text: string) => logged.push(text)
  const store = new Store({
    conString: between.url,
    timeout: 60,
    max: 1,
    pruneSessionInterval: false,
    errorLog,
  })
  try {
    between.become('shut')
    const get = store.get('sid')
    while (!logged.includes('PostgreSQL cannot be reached')) await pause(5)
    between.become('hole')
    // The next attempt is accepted, and hears nothing.
    const before = between.accepted
    while (between.accepted === before) await pause(5)
    const { ok, code, message } = await within(20, () => store.health())
    between.become('pass')
    assert.deepEqual([ok, code], [false, 'STORE_TIMEOUT'])
    assert.match(String(message), /the last attempt failed with (CONNECTION_CLOSED|ECONNRESET)/)
    assert.equal(await get, null)
  } finally {
    await store.close()
    await between.close()
  }
})

test('a login that takes longer than a probe waits is let end, however many probes come', async () => {
  const between = await proxy(db.url)
  between.become('hole')
  const store = new Store({ conString: between.url, timeout: 60, max: 2, pruneSessionInterval: false })
  try {
    for (let i = 0; i < 2; i++) {
      const { ok, code, connections } = await within(20, () => store.health())
      assert.deepEqual([ok, code, connections.open, connections.busy], [false, 'STORE_TIMEOUT', 0, 1])
    }
    between.become('pass')
    while (store.stats().connections.open < 1) await pause(5)
    assert.equal(between.accepted, 1)
    while (!(await store.health()).ok);
  } finally {
    await store.close()
    await between.close()
  }
})

test('a login that takes longer than a probe waits is let end also beside connections that are busy', async () => {
  const between = await proxy(db.url)
  const store = new Store({ conString: between.url, timeout: 60, max: 2, pruneSessionInterval: false })
  try {
    await db.sql.begin(async (holder) => {
      await holder`lock table session`
      const get = store.get('sid')
      while (store.stats().connections.open === 0) await pause(5)
      between.become('hole')
      for (let i = 0; i < 2; i++) {
        const { ok, connections } = await within(20, () => store.health())
        assert.deepEqual([ok, connections], [false, { max: 2, open: 1, busy: 2 }])
      }
      between.become('pass')
      while (store.stats().connections.open < 2) await pause(5)
      assert.equal(between.accepted, 2)
      while (!(await store.health()).ok);
      return { get }
    })
  } finally {
    await store.close()
    await between.close()
  }
})

test('a login that takes longer than a probe waits is let end also where it replaces a connection that is too old', async () => {
  const between = await proxy(db.url)
  const sql = postgres(between.url, { max_lifetime: 0.2 })
  const store = new Store({ postgres: sql, timeout: 60, max: 1, pruneSessionInterval: false })
  try {
    assert.equal((await store.health()).ok, true)
    await pause(300)
    between.become('silent')
    for (let i = 0; i < 2; i++) {
      const { ok, connections } = await within(20, () => store.health())
      assert.deepEqual([ok, connections.open], [false, 0])
    }
    assert.equal(between.accepted, 2)
  } finally {
    between.hangUp()
    between.become('pass')
    await store.close()
    await between.close()
  }
})

test('health gives no reason of before where a server has let the store in', async () => {
  const between = await proxy(db.url)
  const logged: string[] = []
  const errorLog = (text: string) => logged.push(text.replace(/ \(.*/, ''))
  const store = new Store({
    conString: between.url,
    timeout: 60,
    max: 1,
    pruneSessionInterval: false,
    errorLog,
  })
  try {
    between.become('silent')
    const get = store.get('sid')
    while (between.accepted === 0) await pause(5)
    between.become('shut')
    between.hangUp()
    while (logged.length === 0) await pause(5)
    await db.sql.begin(async (holder) => {
      await holder`lock table session`
      between.become('pass')
      while (store.stats().connections.open === 0) await pause(5)
      const { ok, message } = await within(20, () => store.health())
      assert.equal(ok, false)
      assert.doesNotMatch(String(message), /last attempt/)
      // It is there, although it has answered nothing that it was asked.
      assert.deepEqual(logged, ['PostgreSQL cannot be reached', 'PostgreSQL can be reached again'])
    })
    assert.equal(await get, null)
    assert.deepEqual(logged, ['PostgreSQL cannot be reached', 'PostgreSQL can be reached again'])
  } finally {
    await store.close()
    await between.close()
  }
})

test('the reason that health gives is that of the last attempt', async () => {
  const between = await proxy(db.url)
  between.become('shut')
  const logged: string[] = []
  const errorLog = (text: string) => logged.push(text)
  await withStore(
    { conString: between.url, timeout: 6, pruneSessionInterval: false, errorLog },
    async (store) => {
      const get = failure(store.get('sid'))
      while (logged.length === 0) await pause(5)
      await between.close()
      const { retries } = store.stats()
      while (store.stats().retries < retries + 2) await pause(5)
      assert.match(String((await store.health()).message), /last attempt failed with ECONNREFUSED/)
      assert.match((await get).message, /ECONNREFUSED/)
      assert.deepEqual(logged, ['PostgreSQL cannot be reached'])
    },
  )
})

test('a server that answers with an error can be reached again', async () => {
  const between = await proxy(db.url)
  const logged: string[] = []
  const errorLog = (text: string) => logged.push(text.replace(/ \(.*/, ''))
  const at = { conString: between.url, tableName: 'absent', pruneSessionInterval: false, errorLog } as const
  await withStore(at, async (store) => {
    between.become('shut')
    const get = failure(store.get('sid'))
    while (logged.length === 0) await pause(5)
    between.become('pass')
    assert.equal((await get).code, '42P01')
    assert.deepEqual(logged, ['PostgreSQL cannot be reached', 'PostgreSQL can be reached again'])
  })
  await between.close()
})

test('health after close is not ok, and opens no connection', async () => {
  const store = new Store({ ...at, pruneSessionInterval: false })
  await store.health()
  await store.close()
  const { ok, code } = await store.health()
  assert.deepEqual([ok, code], [false, 'STORE_CLOSED'])
  assert.deepEqual(await backends(db.sql), [])
})

test('stats count calls, errors, batches, statements, conflicts, pruned rows and connections', () =>
  withStore({ ...at, max: 1, onConflict: 'merge' }, async (store) => {
    await putRow(db.sql, 'counted', { a: 1 })
    await putRow(db.sql, 'over', {}, -10)
    const session = (await store.get('counted')) as SessionData
    await db.sql`update session set sess = '{"cookie":{},"a":2}' where sid = 'counted'`
    await store.set('counted', Object.assign(session, { b: 1 }))
    await Promise.all(['x', 'y'].map((sid) => store.get(sid)))
    await failure(store.get(''))
    await store.pruneSessions()
    const { statements, retries, ...stats } = store.stats()
    assert.deepEqual(stats, {
      operations: { get: 4, set: 1, pruneSessions: 1 },
      errors: { STORE_SID: 1 },
      timeouts: 0,
      // The second get was one, and the save that found the row changed was two.
      batches: 4,
      conflicts: 1,
      pruned: 1,
      connectionsOpened: 1,
      waiting: 0,
      connections: { max: 1, open: 1, busy: 0 },
    })
    assert.ok(statements > 4)
    assert.equal(retries, 0)
    for (const pid of await backends(db.sql)) await db.sql`select pg_terminate_backend(${pid})`
    while ((await backends(db.sql)).length > 0);
    await store.get('counted')
    assert.equal(store.stats().connectionsOpened, 2)
  }))

test('stats count failed calls by code, time-outs and retries, whoever waits for them', async () => {
  const logged: unknown[] = []
  const store = new Store({
    conString: `postgres://127.0.0.1:1/none`,
    timeout: 1,
    errorLog: (_, error) => logged.push(error),
  })
  await failure(store.get('a'))
  await new Promise((resolve) => store.get('b', resolve))
  await failure(store.set('c', { ...endless(), toJSON: () => undefined } as any))
  const { errors, timeouts, retries, connectionsOpened } = store.stats()
  assert.deepEqual(errors, { STORE_TIMEOUT: 2, STORE_SESSION: 1 })
  assert.equal(timeouts, 2)
  assert.ok(retries > 0)
  assert.equal(connectionsOpened, 0)
  await store.close()
})

test('what a ttl function throws reaches the caller as it is, and is counted as one kind, whatever its code', async () => {
  const mine = Object.assign(new Error('mine'), { code: Object.create(null) })
  const ttl = () => {
    throw mine
  }
  await withStore({ ...at, ttl }, async (store) => {
    assert.equal(await new Promise((resolve) => store.set('a', endless(), resolve)), mine)
    mine.code = 'MINE'
    assert.equal(await failure(store.set('a', endless())), mine)
    assert.deepEqual(store.stats().errors, { other: 2 })
  })
})

test('what stats has returned does not change any more', () =>
  withStore(at, async (store) => {
    const before = store.stats()
    await store.set('more', sessionOf())
    assert.deepEqual([before.operations, before.batches], [{}, 0])
  }))

test('no connection is left behind', () => db.drop())
