// Which failures are tried again, on which connections, and what is told of them. Most of it against a server
// that misbehaves on command.

import assert from 'node:assert/strict'
import { connect, type Socket } from 'node:net'
import type { SessionData } from 'express-session'
import postgres from 'postgres'
import { monotonicMs, realTimers } from '../../src/clock.ts'
import { Pool } from '../../src/connection/pool.ts'
import type { PostgresStore } from '../../src/index.ts'
import { parseOptions } from '../../src/settings/settings.ts'
import { Counters } from '../../src/tracing/counters.ts'
import { fake } from '../faults/fake.ts'
import { proxy } from '../faults/proxy.ts'
import { database, tableSql } from '../support/database.ts'
import { failure } from '../support/failure.ts'
import { port } from '../support/port.ts'
import { promises } from '../support/promise.ts'
import { backends, putRow, sessionOf, withStore } from '../support/store.ts'

const db = await database('attempts')
await db.sql.unsafe(tableSql)
const test = promises('attempts')

const retries = (store: { stats(): { retries: number } }) => store.stats().retries
const someTime = (ms: number) => new Promise((resume) => setTimeout(resume, ms))

/** @param use gets the address of the database for a role of its own */
async function withRole(use: (url: string, role: string) => Promise<void>): Promise<void> {
  const role = `attempts_${process.pid}`
  await db.sql.unsafe(`create role ${role} login password 'secret'`)
  await db.sql.unsafe(`grant select, insert, update, delete on session to ${role}`)
  try {
    await use(Object.assign(new URL(db.url), { username: role, password: 'secret' }).href, role)
  } finally {
    await db.sql`select pg_terminate_backend(pid) from pg_stat_activity where usename = ${role}`
    await db.sql.unsafe(`drop owned by ${role}; drop role ${role}`)
  }
}

/** Leads the first connection to the server. What becomes of the others is the test's. */
async function firstAlone(
  onOther: (socket: Socket) => void,
): Promise<{ url: string; close(): Promise<void> }> {
  const { hostname, port: serverPort } = new URL(db.url)
  let isFirst = true
  const way = await port((socket) => {
    if (!isFirst) return onOther(socket)
    isFirst = false
    const upstream = connect(Number(serverPort), hostname).on('error', () => {})
    socket.pipe(upstream).pipe(socket)
    socket.on('close', () => upstream.destroy())
  })
  return { url: db.url.replace(`:${serverPort}/`, `:${way.number}/`), close: way.close }
}

/** While a read holds the first connection, a health check begins to open another. */
async function healthBesideRead(store: PostgresStore): Promise<void> {
  let read: Promise<unknown> | undefined
  await db.sql.begin(async (holder) => {
    await holder`lock table session`
    read = store.get('a')
    while (store.stats().connections.open === 0) await someTime(5)
    assert.equal((await store.health()).ok, false)
  })
  assert.equal(await read, null)
}

test('a store that is closed in the middle of a login does not say that the server is away', async () => {
  let others = 0
  // The first attempt is refused, and the second hears nothing.
  const way = await firstAlone((socket) => {
    if (++others === 1) socket.destroy()
  })
  const logged: string[] = []
  const options = { conString: way.url, max: 2, timeout: 60, pruneSessionInterval: false } as const
  await withStore({ ...options, errorLog: (text) => void logged.push(text) }, healthBesideRead)
  await someTime(100)
  assert.deepEqual(logged, [])
  await way.close()
})

test('what comes of the way or the state of the server is tried again, and what concerns the statement is not', async () => {
  const server = await fake()
  try {
    await withStore({ conString: server.url, timeout: 5, errorLog() {} }, async (store) => {
      for (const [severity, code, isTriedAgain] of [
        ['FATAL', '53300', true],
        ['ERROR', '26000', true],
        ['FATAL', '08P01', true],
        ['FATAL', '57P01', true],
        ['ERROR', '40001', true],
        ['ERROR', '08P01', false],
        ['ERROR', '42501', false],
        ['ERROR', '22P02', false],
      ] as const)
        for (const isOfPooler of [false, true]) {
          await store.get('before')
          const before = retries(store)
          const seen = server.misbehave({ kind: 'error', afterMessages: 0, severity, code, isOfPooler })
          const outcome = await store.get('sid').then(
            () => undefined,
            (error: { code: string }) => error.code,
          )
          assert.equal(seen.times, 1)
          assert.deepEqual(
            [outcome, retries(store) > before],
            isTriedAgain ? [undefined, true] : [code, false],
            `${code} of a ${isOfPooler ? 'pooler' : 'server'}`,
          )
        }
    })
  } finally {
    await server.close()
  }
})

test('a server that became a standby behind a pooler, which kept the connection, is read no more', async () => {
  const own = await database('attempts_demoted')
  try {
    await own.sql.unsafe(tableSql)
    const options = { conString: own.url, max: 1, timeout: 1, errorLog() {} }
    const reads: Record<string, (store: PostgresStore) => Promise<unknown>> = {
      get: (store) => store.get('absent'),
      all: (store) => store.all(),
      ids: (store) => store.ids(),
      length: (store) => store.length(),
      idsByUser: (store) => store.idsByUser(1),
    }
    for (const [name, read] of Object.entries(reads))
      await withStore(options, async (store) => {
        await store.set('a', sessionOf())
        await own.sql.unsafe(`
          alter function pg_catalog.pg_is_in_recovery() rename to was_in_recovery;
          create function pg_catalog.pg_is_in_recovery() returns boolean volatile language plpgsql as 'begin return true; end'`)
        try {
          const { code, message } = await failure(read(store))
          assert.equal(code, 'STORE_TIMEOUT', name)
          assert.match(message, /25006: The server is a standby/, name)
        } finally {
          await own.sql.unsafe(`
            drop function pg_catalog.pg_is_in_recovery();
            alter function pg_catalog.was_in_recovery() rename to pg_is_in_recovery`)
        }
        assert.equal(await store.length(), 1)
      })
  } finally {
    await own.drop()
  }
})

test('a connection that the network resets, or cannot write to, is replaced', async () => {
  for (const code of ['EPIPE', 'ECONNRESET', 'ECONNABORTED', 'ETIMEDOUT', 'EHOSTUNREACH', 'ENETDOWN']) {
    let opened = 0
    let socket: Socket | undefined
    const url = new URL(db.url)
    const sql = postgres(db.url, {
      socket: async () => {
        opened++
        socket = connect(Number(url.port), url.hostname)
        return socket
      },
    } as object)
    await withStore({ postgres: sql, max: 1 }, async (store) => {
      await store.get('sid')
      const reached = socket as Socket
      const write = () => reached.destroy(Object.assign(new Error('of the network'), { code }))
      Object.assign(reached, { write })
      assert.equal(await store.get('sid'), null)
    })
    assert.equal(opened, 2, code)
    await sql.end()
  }
})

test('when the time ends in the middle of an attempt, the error names what the attempt before failed with', async () => {
  const server = await fake()
  try {
    await withStore({ conString: server.url, timeout: 3, max: 1, errorLog() {} }, async (store) => {
      const refused = server.misbehave({ kind: 'error', afterMessages: 0, severity: 'FATAL', code: '57P03' })
      const told = failure(store.get('sid'))
      while (refused.times === 0) await someTime(1)
      server.misbehave({ kind: 'silence', afterBytes: 190 })
      const { code, message } = await told
      assert.equal(code, 'STORE_TIMEOUT')
      assert.match(message, /the last attempt failed with 57P03/)
    })
  } finally {
    await server.close()
  }
})

test('the pauses between attempts grow, and start small again after a success', async () => {
  const server = await fake()
  const { setTimeout: real } = realTimers
  const delays: number[] = []
  try {
    await withStore({ conString: server.url, timeout: 10, max: 1, errorLog() {} }, async (store) => {
      await store.get('sid')
      realTimers.setTimeout = ((work: () => void, ms: number) => {
        if (ms > 0 && ms <= 250) delays.push(ms)
        return real(work, ms)
      }) as typeof realTimers.setTimeout
      const fail = async (times: number) => {
        let left = times
        let seen = server.misbehave({ kind: 'error', afterMessages: 0, severity: 'FATAL', code: '57P01' })
        const done = store.get('sid')
        while (left > 0) {
          if (seen.times > 0 && --left > 0)
            seen = server.misbehave({ kind: 'error', afterMessages: 0, severity: 'FATAL', code: '57P01' })
          await new Promise((resume) => setImmediate(resume))
        }
        await done
        return delays.splice(0)
      }
      const first = await fail(5)
      assert.equal(first.length, 5, String(first))
      assert.ok((first.at(-1) as number) > 100, String(first))
      const next = await fail(1)
      assert.ok((next[0] as number) <= 5, String(next))
    })
  } finally {
    realTimers.setTimeout = real
    await server.close()
  }
})

test('after rows that were not asked for all connections are replaced, also one that waits for its answer', async () => {
  const server = await fake()
  for (const sid of ['sid', 'other', 'swapped'])
    server.rows.set(sid, { sess: '{"cookie":{}}', expire: '9999999999' })
  try {
    await withStore({ conString: server.url, timeout: 10, max: 4, errorLog() {} }, async (store) => {
      await store.get('sid')
      // In the middle of its answer.
      const silent = server.misbehave({ kind: 'silence', afterBytes: 60 })
      const waiting = store.get('sid')
      while (silent.times === 0) await someTime(1)
      // On another connection.
      await store.get('other')
      server.misbehave({ kind: 'swap', afterMessages: 0 })
      assert.equal((await failure(store.get('swapped'))).code, 'STORE_MISMATCH')
      assert.ok(await waiting)
    })
  } finally {
    await server.close()
  }
})

test('of several hosts the first is asked again after the last', async () => {
  const [one, other] = [await proxy(db.url), await proxy(db.url)]
  const hosts = `127.0.0.1:${new URL(one.url).port},127.0.0.1:${new URL(other.url).port}`
  const conString = db.url.replace(/@[^/]+/, `@${hosts}`)
  const told: unknown[] = []
  const errorLog = (...values: unknown[]) => void told.push(values)
  await withStore({ conString, timeout: 5, errorLog }, async (store) => {
    for (const [up, down] of [
      [one, other],
      [other, one],
      [one, other],
    ] as const) {
      up.become('pass')
      down.become('shut')
      down.hangUp()
      assert.equal(await store.get('sid'), null)
    }
  })
  assert.deepEqual(told, [], 'a server could be reached all the time')
  await Promise.all([one.close(), other.close()])
})

test('a statement that comes too late for some who wait is told as that, whatever the attempt before it met', async () => {
  const server = await fake()
  const pool = new Pool(parseOptions({ conString: server.url, max: 1, errorLog() {} }), new Counters())
  const get = (effectUntil?: number) =>
    pool.query({
      ...{ verb: 'get', text: '/**/ select', parameters: () => [], until: monotonicMs() + 5000 },
      effectUntil,
    })
  try {
    await get()
    const away = server.misbehave({ kind: 'error', afterMessages: 0, severity: 'FATAL', code: '53300' })
    const late = get(monotonicMs())
    while (away.times === 0) await new Promise((resume) => setImmediate(resume))
    // Not before the new connection was greeted.
    server.misbehave({ kind: 'error', afterMessages: 8, severity: 'ERROR', code: '2201E' })
    assert.equal((await failure(late)).code, '2201E')
  } finally {
    await pool.close()
    await server.close()
  }
})

test('a statement that comes too late for all who wait has timed out', async () => {
  const pool = new Pool(parseOptions({ conString: db.url, max: 1 }), new Counters())
  const query = (text: string, ms: number) =>
    pool.query({ verb: 'clear', text, parameters: () => [], until: monotonicMs() + ms })
  try {
    await query('select', 5000)
    const began = monotonicMs()
    const late = failure(query('select pg_catalog.ln(count(*) - 1)::text from pg_catalog.pg_sleep(0.3)', 400))
    await someTime(100)
    // The answer comes meanwhile, and is read before the timer of the deadline acts.
    while (monotonicMs() - began < 600);
    const { code, message } = await late
    assert.equal(code, 'STORE_TIMEOUT')
    assert.doesNotMatch(message, /2201E/)
  } finally {
    await pool.close()
  }
})

test('a connection that is known to have ended is replaced before anything is sent on it', () =>
  withStore({ conString: db.url, max: 1 }, async (store) => {
    await store.get('sid')
    await db.sql`select pg_terminate_backend(pid) from unnest(${await backends(db.sql)}::int[]) pid`
    while (store.stats().connections.open > 0) await someTime(5)
    assert.equal(await store.get('sid'), null)
    assert.equal(retries(store), 0)
  }))

test('where the server lets no more connections in, those that are open serve everybody at once', async () => {
  let refused = 0
  // After the answer on the connection that is open.
  const way = await firstAlone((socket) => {
    refused++
    setTimeout(() => socket.destroy(), 20)
  })
  try {
    await withStore({ conString: way.url, max: 3, timeout: 3, errorLog() {} }, async (store) => {
      await store.get('full')
      const began = monotonicMs()
      for (let i = 0; i < 100; i++) {
        // Two at a time, one of which finds the open connection in use.
        await Promise.all([store.set('full', sessionOf()), store.get('other')])
        assert.ok(await store.get('full'))
      }
      // A pause grows to an eighth of a second at least, and meanwhile none of the two tries to log in.
      const allowed = 8 + (2 * (monotonicMs() - began)) / 125
      assert.ok(refused > 2 && refused < allowed, `${refused} of ${allowed}`)
      assert.ok(retries(store) <= refused + 1)
    })
  } finally {
    await way.close()
  }
})

test('a connection that a full server has not let in again does not stand before one that is open', () =>
  withRole(async (conString, role) => {
    await withStore({ conString, max: 2, timeout: 3, errorLog() {} }, async (store) => {
      while (store.stats().connections.open < 2)
        await Promise.all([store.set('full', sessionOf()), store.get('other')])
      await store.get('full')
      await db.sql.unsafe(`alter role ${role} connection limit 1`)
      await db.sql`
        select pg_terminate_backend(pid) from pg_stat_activity
        where usename = ${role} order by query_start desc limit 1`
      while (store.stats().connections.open > 1) await someTime(10)
      assert.ok(await store.get('full'))
    })
  }))

test('a login that is refused otherwise than for the moment fails nothing that an open connection can do', () =>
  withRole(async (conString, role) => {
    await withStore({ conString, max: 2, errorLog() {} }, async (store) => {
      await store.get('moved')
      // As where the password is changed: the tests' server asks for none.
      await db.sql.unsafe(`alter role ${role} nologin`)
      for (let i = 0; i < 20; i++) {
        await Promise.all([store.set('moved', sessionOf()), store.get('other')])
        assert.ok(await store.get('moved'))
      }
      await db.sql`select pg_terminate_backend(pid) from pg_stat_activity where usename = ${role}`
      while (store.stats().connections.open > 0) await someTime(10)
      assert.equal((await failure(store.get('moved'))).code, '28000')
    })
  }))

test('where a new connection leads to a standby, one that may lead to it as well is not preferred', async () => {
  const { hostname, port: serverPort } = new URL(db.url)
  let isStandby = false
  let refusals = 0
  const way = await port((socket) => {
    const upstream = connect(Number(serverPort), hostname).on('error', () => {})
    socket.pipe(upstream).on('close', () => socket.destroy())
    socket.on('close', () => upstream.destroy())
    if (!isStandby) return void upstream.pipe(socket)
    upstream.on('data', (data) => {
      const text = data.toString('latin1')
      // Of the same length as `false`, the answer of a primary to the question whether it is a standby.
      const said = text.replace('\x05false', '\x05yes..')
      if (said !== text) refusals++
      // After the answer on the connection that is open.
      setTimeout(() => socket.write(Buffer.from(said, 'latin1')), 20)
    })
  })
  const conString = db.url.replace(`:${serverPort}/`, `:${way.number}/`)
  try {
    await withStore({ conString, max: 2, errorLog() {} }, async (store) => {
      await store.get('reads')
      isStandby = true
      const both = Promise.all([store.set('writes', sessionOf()), store.get('reads')])
      let isDone = false
      void both.finally(() => {
        isDone = true
      })
      while (refusals < 3 && !isDone) await someTime(5)
      assert.ok(!isDone, 'served by the other one')
      isStandby = false
      await both
    })
  } finally {
    await way.close()
  }
})

test('after an outage that left dead connections, these are not tried one by one', async () => {
  const { hostname, port: serverPort } = new URL(db.url)
  let state: 'up' | 'down' | 'up again' = 'up'
  const cut: (() => unknown)[] = []
  const way = await port((socket) => {
    if (state === 'down') return void socket.destroy()
    const upstream = connect(Number(serverPort), hostname).on('error', () => {})
    socket.pipe(upstream).pipe(socket)
    socket.on('close', () => upstream.destroy())
    if (state === 'up') cut.push(() => socket.unpipe(upstream).pause())
  })
  const conString = db.url.replace(`:${serverPort}/`, `:${way.number}/`)
  const pool = new Pool(parseOptions({ conString, max: 3, errorLog() {} }), new Counters())
  const ask = (ms: number) =>
    pool.query({ verb: 'ask', text: `select 'a'`, parameters: () => [], until: monotonicMs() + ms })
  try {
    await Promise.all([ask(5000), ask(5000), ask(5000)])
    assert.equal(cut.length, 3)
    for (const each of cut) each()
    state = 'down'
    // The first two find out, each on one of them.
    for (let i = 0; i < 2; i++) assert.equal((await failure(ask(1000))).code, 'STORE_TIMEOUT')
    assert.equal(pool.connections.open, 1)
    const third = ask(10_000)
    await someTime(300)
    state = 'up again'
    assert.deepEqual(await third, [['a']])
  } finally {
    await pool.close()
    await way.close()
  }
})

/** A pool with three connections that are open, at a server that lets in no more. */
async function withFullPool(
  timeout: number,
  use: (
    pool: Pool,
    ask: (ms: number, text?: string) => Promise<unknown>,
    fill: () => Promise<void>,
  ) => Promise<void>,
): Promise<void> {
  await withRole(async (conString, role) => {
    const pool = new Pool(parseOptions({ conString, max: 3, timeout, errorLog() {} }), new Counters())
    const ask = (ms: number, text = `select 'a'`) =>
      pool.query({ verb: 'ask', text, parameters: () => [], until: monotonicMs() + ms })
    try {
      await Promise.all([ask(5000), ask(5000), ask(5000)])
      assert.equal(pool.connections.open, 3)
      await use(pool, ask, async () => {
        await db.sql.unsafe(`alter role ${role} connection limit 1`)
      })
    } finally {
      await pool.close()
    }
  })
}
const SLOW = `select 'a' from pg_sleep(20)`

test('after statements that got no answer, a connection that is alive all the same is found soon', () =>
  withFullPool(0.5, async (pool, ask, fill) => {
    for (const { code } of await Promise.all([failure(ask(300, SLOW)), failure(ask(300, SLOW))]))
      assert.equal(code, 'STORE_TIMEOUT')
    await fill()
    assert.deepEqual(await ask(10_000), [['a']])
    assert.equal(pool.connections.open, 1)
  }))

test('statements without an answer do not count together where there was an answer in between', () =>
  withFullPool(60, async (pool, ask, fill) => {
    for (const isLast of [false, true]) {
      assert.equal((await failure(ask(300, SLOW))).code, 'STORE_TIMEOUT')
      if (isLast) await fill()
      // The first one logs in again.
      for (let i = 0; i < 2; i++) assert.deepEqual(await ask(5000), [['a']])
    }
    assert.equal(pool.connections.open, 2)
  }))

test('a host that has fallen silent sends nobody to the connections that it has left', async () => {
  const { hostname, port: serverPort } = new URL(db.url)
  let isStandby = true
  const kept: Socket[] = []
  let isSilent = false
  const primary = await port((socket) => {
    if (isSilent) return
    const upstream = connect(Number(serverPort), hostname).on('error', () => {})
    socket.pipe(upstream).pipe(socket)
    socket.on('close', () => upstream.destroy())
    kept.push(socket)
  })
  const standby = await port((socket) => {
    const upstream = connect(Number(serverPort), hostname).on('error', () => {})
    socket.pipe(upstream)
    socket.on('close', () => upstream.destroy())
    upstream.on('data', (data) => {
      const text = data.toString('latin1')
      const said = isStandby ? text.replace('\x05false', '\x05yes..') : text
      socket.write(Buffer.from(said, 'latin1'))
    })
  })
  const hosts = `127.0.0.1:${primary.number},127.0.0.1:${standby.number}`
  const conString = db.url.replace(new URL(db.url).host, hosts)
  // A login may take a second then.
  const pool = new Pool(parseOptions({ conString, max: 3, timeout: 4, errorLog() {} }), new Counters())
  const ask = (ms: number) =>
    pool.query({ verb: 'ask', text: `select 'a'`, parameters: () => [], until: monotonicMs() + ms })
  try {
    await Promise.all([ask(8000), ask(8000), ask(8000)])
    assert.equal(pool.connections.open, 3)
    isSilent = true
    for (const socket of kept) socket.unpipe().pause()
    assert.equal((await failure(ask(500))).code, 'STORE_TIMEOUT')
    const next = ask(8000)
    await someTime(3500)
    isStandby = false
    assert.deepEqual(await next, [['a']])
  } finally {
    await pool.close()
    await Promise.all([primary.close(), standby.close()])
  }
})

test('a connection that is too old is not replaced by one that is opened after the closing', async () => {
  const { hostname, port: serverPort } = new URL(db.url)
  let connections = 0
  let silence = () => {}
  const way = await port((socket) => {
    connections++
    const upstream = connect(Number(serverPort), hostname).on('error', () => {})
    socket.pipe(upstream).pipe(socket)
    socket.on('close', () => upstream.destroy())
    silence = () => {
      socket.unpipe(upstream)
      socket.pause()
    }
  })
  const sql = postgres(db.url.replace(`:${serverPort}/`, `:${way.number}/`), { max_lifetime: 0.01 })
  const pool = new Pool(parseOptions({ postgres: sql, max: 1, errorLog() {} }), new Counters())
  const ask = () =>
    pool.query({ verb: 'ask', text: `select 'a'`, parameters: () => [], until: monotonicMs() + 8000 })
  try {
    await ask()
    // Its orderly end takes a second then.
    silence()
    await someTime(20)
    const asked = failure(ask())
    await pool.close()
    assert.equal((await asked).code, 'STORE_CLOSED')
    assert.equal(connections, 1)
  } finally {
    await pool.close()
    await way.close()
    await sql.end()
  }
})

test('`max_lifetime` is in seconds, and a connection in use is not idle', async () => {
  const sql = postgres(db.url, { max_lifetime: 60, idle_timeout: 0.2 } as object)
  await db.sql.unsafe(`
    create view slow as
    select sid, case sid when 'slow' then (select sess from pg_sleep(0.6)) else sess end as sess, expire from session`)
  await putRow(db.sql, 'slow', {})
  await withStore({ postgres: sql, tableName: 'slow', max: 1 }, async (store) => {
    await store.get('sid')
    const [before] = await backends(db.sql)
    await someTime(100)
    assert.ok(await store.get('slow'))
    assert.deepEqual([await backends(db.sql), retries(store)], [[before], 0])
  })
  await sql.end()
})

test('statements are prepared: their text is sent once for each connection', async () => {
  let sent = ''
  const relay = await port((socket) => {
    const { port: to, hostname } = new URL(db.url)
    const upstream = connect(Number(to), hostname).on('error', () => {})
    socket.on('data', (data) => {
      sent += data.toString('latin1')
    })
    socket.pipe(upstream).pipe(socket)
  })
  const url = Object.assign(new URL(db.url), { port: String(relay.number) })
  await withStore({ conString: url.href, max: 1 }, async (store) => {
    await store.get('first')
    assert.match(sent, /from "session"/)
    sent = ''
    await store.get('second')
    assert.match(sent, /second/)
    assert.doesNotMatch(sent, /session/)
  })
  await relay.close()
})

test('the `onclose` of the app’s instance hears nothing of the store’s connections', async () => {
  let closed = 0
  const sql = postgres(db.url, { onclose: () => closed++ })
  await withStore({ postgres: sql }, async (store) => {
    await store.get('sid')
    await db.sql`select pg_terminate_backend(pid) from unnest(${await backends(db.sql)}::int[]) pid`
    await store.get('sid')
  })
  await someTime(50)
  assert.equal(closed, 0)
  await sql.end()
})

test('all pages of `all` share one deadline', async () => {
  await db.sql`truncate session`
  for (let i = 0; i < 500; i++) await putRow(db.sql, `page-${String(i).padStart(3, '0')}`, {})
  await db.sql.unsafe(`
    create view pages as
    select sid, case when sid in ('page-100', 'page-300', 'page-450') then (select sess from pg_sleep(0.6)) else sess end
      as sess, expire from session`)
  await withStore({ conString: db.url, tableName: 'pages', timeout: 1, max: 2 }, async (store) => {
    assert.equal((await failure(store.all())).code, 'STORE_TIMEOUT')
  })
  await withStore({ conString: db.url, tableName: 'pages', timeout: 10 }, async (store) => {
    assert.equal((await store.all()).length, 500)
  })
})

test('a closed store refuses every call, also a touch that it would not send', async () => {
  const closed = await withStore({ conString: db.url, disableTouch: true }, async (store) => store)
  const calls = [closed.touch('a', sessionOf()), closed.get('a'), closed.set('a', sessionOf() as SessionData)]
  for (const { code } of await Promise.all(calls.map(failure))) assert.equal(code, 'STORE_CLOSED')
})

test('no connection is left behind', () => db.drop())
