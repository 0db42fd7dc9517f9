// Time that stands still or leaps: the timers of a test, a process that was stopped, a machine that slept.

import assert from 'node:assert/strict'
import { connect, type Socket } from 'node:net'
import { database, tableSql } from '../support/database.ts'
import { failure } from '../support/failure.ts'
import { port } from '../support/port.ts'
import { worker } from '../support/processes.ts'
import { promises } from '../support/promise.ts'
import { backends, Store, sessionOf, withStore } from '../support/store.ts'

const db = await database('frozen')
await db.sql.unsafe(tableSql)
const test = promises('frozen')
const url = new URL(db.url)
const pause = setTimeout
const seconds = (count: number) => new Promise((resume) => pause(resume, count * 1000))

/** A way to the server that can forget the connections it has, without a word to either side. */
const forgetful = async () => {
  const ways = new Set<{ forgotten: boolean; upstream: Socket }>()
  const listening = await port((socket) => {
    const upstream = connect(Number(url.port), url.hostname).on('error', () => {})
    const way = { forgotten: false, upstream }
    const pass = (from: Socket, to: Socket) =>
      from.on('data', (data) => way.forgotten || to.write(data)).on('close', () => way.forgotten || to.end())
    pass(socket, upstream)
    pass(upstream, socket)
    ways.add(way)
  })
  const forget = () => {
    for (const way of ways) way.forgotten = true
  }
  const close = async () => {
    await listening.close()
    for (const { upstream } of ways) upstream.destroy()
  }
  return { port: listening.number, close, forget }
}
const through = (number: number) => ({
  host: url.hostname,
  port: number,
  user: url.username,
  password: decodeURIComponent(url.password),
  database: url.pathname.slice(1),
})

/** As fake timers do it: those of the process never fire, and its clocks stand still. */
const standingStill = async (work: () => Promise<void>) => {
  const { setTimeout, clearTimeout, setInterval, clearInterval } = globalThis
  const wall = Date
  const { now } = performance
  const timer = () => ({ id: 1, ref: timer, unref: timer, hasRef: () => true, refresh: timer })
  const stand = class extends wall {
    static override now = () => 946_684_800_000
  }
  Object.assign(globalThis, { setTimeout: timer, clearTimeout() {}, setInterval: timer, clearInterval() {} })
  Object.assign(globalThis, { Date: stand })
  Object.assign(performance, { now: () => 0 })
  // By a timer that does not: what follows needs them.
  const late = new Promise<never>((_, reject) => {
    pause(() => reject(new Error('not done within 10 seconds')), 10_000).unref()
  })
  try {
    await Promise.race([work(), late])
  } finally {
    Object.assign(globalThis, { setTimeout, clearTimeout, setInterval, clearInterval, Date: wall })
    Object.assign(performance, { now })
  }
}

test('while the timers of the process stand still, connections open, are lost, are replaced and closed', async () => {
  const { sql } = db
  await Promise.all([sql`select 1`, sql`select 1`])
  const store = new Store({ conString: db.url, timeout: 5, pruneSessionInterval: false })
  await standingStill(async () => {
    await store.set('still', sessionOf({ n: 1 }, 1_000_000_000))
    for (let round = 0; round < 3; round++) {
      for (const pid of await backends(sql)) await sql`select pg_terminate_backend(${pid}::int)`
      assert.equal(((await store.get('still')) as any).n, 1)
    }
    await store.close()
  })
})

test('while they stand still, operations end by their timeout, and after it nothing is stuck', async () => {
  const way = await forgetful()
  await withStore({ conObject: through(way.port), timeout: 1.5 }, async (store) => {
    await store.set('stuck', sessionOf())
    await standingStill(async () => {
      way.forget()
      assert.equal((await failure(store.destroy('stuck'))).code, 'STORE_TIMEOUT')
      await store.destroy('stuck')
      way.forget()
      assert.equal((await failure(store.get('stuck'))).code, 'STORE_TIMEOUT')
    })
    assert.equal(await store.get('stuck'), null)
  })
  await way.close()
})

for (const what of ['ended by the server', 'forgotten by what stands between']) {
  test(`after a freeze longer than the idle time the first request succeeds, the connection ${what} meanwhile`, async () => {
    const way = await forgetful()
    const app = worker('freezing-app', {
      conObject: { ...through(way.port), idleTimeoutMillis: 1000 },
    })
    assert.equal(await app.next(), 'ready')
    app.tell('freeze')
    const pid = await app.next()
    await seconds(0.3)
    if (what.startsWith('forgotten')) way.forget()
    else for (const each of await backends(db.sql)) await db.sql`select pg_terminate_backend(${each}::int)`
    await seconds(1.2)
    process.kill(pid, 'SIGCONT')
    const { found, code, ms } = await app.next()
    assert.deepEqual([found, code], [true, undefined])
    // Its timeout is 10 s.
    assert.ok(ms < 5000, `${ms} ms`)
    await app.end()
    await way.close()
  })
}

test('after the machine slept, which stops the clock of timers, an old connection is not used', async () => {
  const way = await forgetful()
  const { now } = Date
  await withStore({ conObject: through(way.port), timeout: 5 }, async (store) => {
    await store.set('slept', sessionOf())
    way.forget()
    try {
      Date.now = () => now() + 61_000
      const started = performance.now()
      assert.ok(await store.get('slept'))
      assert.ok(performance.now() - started < 4000)
    } finally {
      Date.now = now
    }
  })
  await way.close()
})

test('no connection is left behind', () => db.drop())
