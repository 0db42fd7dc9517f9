// What those see who listen to the tracing channels, and that it holds no sid, session data or credential.

import assert from 'node:assert/strict'
import { AsyncLocalStorage } from 'node:async_hooks'
import { subscribe, tracingChannel, unsubscribe } from 'node:diagnostics_channel'
import { inspect } from 'node:util'
import type { SessionData } from 'express-session'
import { operations } from '../../src/tracing/channels.ts'
import { database, tableSql } from '../support/database.ts'
import { failure } from '../support/failure.ts'
import { script } from '../support/processes.ts'
import { promises } from '../support/promise.ts'
import { backends, endless, putRow, Store, sessionOf, withStore } from '../support/store.ts'

const db = await database('tracing')
await db.sql.unsafe(tableSql)
const test = promises('tracing')
const at = { conString: db.url }

const NAMES = ['operation', 'batch', 'connect', 'prune'] as const
type Name = (typeof NAMES)[number]

/** The messages of each channel, when they were complete, while something goes on. */
async function listening(work: () => Promise<unknown>): Promise<Record<Name, any[]>> {
  const seen: Record<Name, any[]> = { operation: [], batch: [], connect: [], prune: [] }
  const ends = NAMES.map((name) => {
    const channel = `tracing:connect-postgres-simple:${name}:asyncEnd`
    const note = (message: unknown) => seen[name].push(message)
    subscribe(channel, note)
    return () => unsubscribe(channel, note)
  })
  try {
    await work()
    // What is told follows the answer.
    await new Promise((resume) => setImmediate(resume))
    return seen
  } finally {
    for (const end of ends) end()
  }
}

test('the channel of operations tells the verb, the outcome, the wait and the batch of every call', () =>
  withStore(at, async (store) => {
    await putRow(db.sql, 'found', {})
    await putRow(db.sql, 'ended', {})
    const { operation } = await listening(async () => {
      const session = (await store.get('found')) as SessionData
      await store.get('nobody')
      await store.set('found', session)
      await store.touch('found', sessionOf({}, 900))
      await store.touch('nobody', sessionOf({}, 900))
      const loaded = (await store.get('ended')) as SessionData
      await db.sql`delete from session where sid = 'ended'`
      await store.set('ended', loaded)
      await store.destroy('found')
      await store.destroy('found')
      await store.length()
    })
    assert.deepEqual(
      operation.map(({ verb, outcome, batchSize }) => [verb, outcome, batchSize]),
      [
        ['get', 'done', 1],
        ['get', 'absent', 1],
        ['set', 'done', 1],
        ['touch', 'done', 1],
        ['touch', 'absent', 1],
        ['get', 'done', 1],
        ['set', 'absent', 1],
        ['destroy', 'done', 1],
        ['destroy', 'absent', 1],
        ['length', 'done', undefined],
      ],
    )
    for (const { verb, waitedMs, durationMs } of operation) {
      if (verb !== 'length')
        assert.ok(waitedMs >= 0 && waitedMs <= durationMs, `${verb}: ${waitedMs} of ${durationMs}`)
    }
    assert.equal(operation[0].session, operation[2].session, 'one session has one name')
    assert.notEqual(operation[0].session, operation[1].session)
  }))

test('operations that went together say how many sids their batch had, by callback too', () =>
  withStore(at, async (store) => {
    const { operation, batch } = await listening(async () => {
      const get = (sid: string) => new Promise((resolve) => store.get(sid, resolve))
      await Promise.all(['a', 'b', 'c'].map(get))
    })
    assert.deepEqual(
      operation.map(({ batchSize }) => batchSize),
      [3, 3, 3],
    )
    const [{ durationMs, result, ...one }, ...more] = batch
    assert.deepEqual(
      [one, more],
      [{ verb: 'get', size: 3, rows: 0, attempt: 1, server: new URL(db.url).host }, []],
    )
    assert.ok(durationMs > 0)
    assert.equal(result, undefined)
  }))

test('the channel of batches tells every attempt, with the error of those that failed', () =>
  withStore({ ...at, max: 1 }, async (store) => {
    await store.get('warm')
    const { batch, connect } = await listening(async () => {
      for (const pid of await backends(db.sql)) await db.sql`select pg_terminate_backend(${pid})`
      while ((await backends(db.sql)).length > 0);
      await store.get('again')
    })
    const gets = batch.filter(({ verb }) => verb === 'get')
    assert.deepEqual(
      gets.map(({ attempt }) => attempt),
      gets.map((_, i) => i + 1),
    )
    assert.equal(gets.at(-1).error, undefined)
    assert.equal(gets.at(-1).rows, 0)
    for (const failed of gets.slice(0, -1)) {
      assert.ok(failed.error.code)
      assert.equal(failed.rows, undefined)
    }
    assert.deepEqual(
      connect.map(({ server, error }) => [server, error]),
      [[new URL(db.url).host, undefined]],
    )
  }))

test('the channel of connections tells each attempt that fails, and why', async () => {
  const store = new Store({ conString: 'postgres://nobody:hush-password@127.0.0.1:1/none', timeout: 2 })
  const { connect, operation, batch } = await listening(() => failure(store.get('sid')))
  await store.close()
  assert.ok(connect.length > 0)
  for (const [i, { server, error }] of connect.entries()) {
    assert.equal(server, '127.0.0.1:1')
    // The deadline can come in the middle of the last one.
    if (i === 0 || error.code !== 'STORE_TIMEOUT') assert.equal(error.code, 'ECONNREFUSED')
    else assert.equal(i, connect.length - 1)
  }
  assert.equal(operation[0].error.code, 'STORE_TIMEOUT')
  assert.equal(operation[0].outcome, undefined)
  assert.ok(!inspect([connect, operation, batch], { depth: 9, showHidden: true }).includes('hush'))
})

test('the channel of prunes tells how many rows were deleted', () =>
  withStore(at, async (store) => {
    await putRow(db.sql, 'old-1', {}, -10)
    await putRow(db.sql, 'old-2', {}, -10)
    const { prune } = await listening(() => store.pruneSessions())
    assert.deepEqual(
      prune.map(({ deleted }) => deleted),
      [2],
    )
  }))

test('no message holds a sid, session data or a credential, on success and on failure', async () => {
  const SID = 'hush-sid-0123456789'
  const url = new URL(db.url)
  url.searchParams.set('application_name', 'connect-postgres-simple')
  const ttl = () => {
    throw new Error('hush, said the ttl')
  }
  const told: unknown[] = []
  const note = (message: unknown) => told.push(inspect(message, { depth: 9, showHidden: true }))
  const channels = NAMES.flatMap((name) =>
    ['start', 'end', 'asyncStart', 'asyncEnd', 'error'].map(
      (event) => `tracing:connect-postgres-simple:${name}:${event}`,
    ),
  )
  for (const channel of channels) subscribe(channel, note)
  try {
    await withStore({ conString: url.href, ttl }, async (store) => {
      await store.set(SID, sessionOf({ word: 'hush-data' }))
      await store.get(SID)
      for await (const _ of store.entries());
      await store.all()
      await store.ids()
      await failure(store.set(SID, endless({ word: 'hush-data' })))
      await store.destroy(SID)
    })
    await withStore({ ...at, tableName: 'absent' }, (store) =>
      failure(store.set(SID, sessionOf({ word: 'hush' }))),
    )
  } finally {
    for (const channel of channels) unsubscribe(channel, note)
  }
  assert.ok(told.length > 30, `${told.length} messages`)
  const all = told.join('\n')
  for (const word of ['hush', url.password]) assert.ok(!all.includes(word), all)
})

test('nothing is built while nobody listens', () =>
  withStore(at, async (store) => {
    const { tracePromise } = operations
    operations.tracePromise = () => assert.fail('a message was built')
    try {
      await store.set('quiet', sessionOf())
      assert.ok(await store.get('quiet'))
    } finally {
      operations.tracePromise = tracePromise
    }
  }))

test('a listener may bind a span to the call, and the call goes on in the context of its caller', () =>
  withStore(at, async (store) => {
    const request = new AsyncLocalStorage<string>()
    const span = new AsyncLocalStorage<string>()
    const { start } = tracingChannel('connect-postgres-simple:operation')
    start.bindStore(span, () => 'span')
    try {
      await request.run('mine', async () => {
        await store.get('bound')
        assert.equal(request.getStore(), 'mine')
        assert.equal(span.getStore(), undefined)
        await new Promise<void>((resolve, reject) => {
          void store.get('bound', () => {
            if (request.getStore() === 'mine' && span.getStore() === undefined) resolve()
            else reject(new Error('another context'))
          })
        })
      })
    } finally {
      start.unbindStore(span)
    }
  }))

test('a listener that freezes, empties or misuses messages changes nothing for the calls', async () => {
  const spoil: ((message: any) => unknown)[] = [
    Object.freeze,
    (message) => {
      for (const key of Object.keys(message)) delete message[key]
    },
    (message) => Object.assign(message, { outcome: 5, waitedMs: 'long', error: 'none' }),
    (message) => Object.defineProperty(message, 'durationMs', { get: () => 1, configurable: true }),
  ]
  for (const each of spoil) {
    const ends = NAMES.flatMap((name) =>
      ['start', 'asyncStart'].map((when) => {
        const channel = `tracing:connect-postgres-simple:${name}:${when}`
        subscribe(channel, each)
        return () => unsubscribe(channel, each)
      }),
    )
    try {
      await withStore({ ...at, timeout: 5 }, async (store) => {
        await store.set('spoilt', sessionOf({ n: 1 }))
        assert.equal(((await store.get('spoilt')) as any).n, 1)
        assert.equal(await new Promise((resolve) => store.get('nobody', (_, found) => resolve(found))), null)
        await store.touch('nobody', sessionOf())
        await putRow(db.sql, 'spoilt-expired', {}, -5)
        assert.equal(await store.pruneSessions(), 1)
        await db.sql`alter table session rename to away`
        assert.equal((await failure(store.get('spoilt'))).code, '42P01')
        await db.sql`alter table away rename to session`
        await store.destroy('spoilt')
      })
    } finally {
      for (const end of ends) end()
    }
  }
})

test('a promise that nobody waits for ends no process while somebody listens', async () => {
  await listening(() =>
    withStore({ ...at, tableName: 'absent', errorLog() {} }, async (store) => {
      void store.get('unheard')
      await failure(store.get('heard'))
    }),
  )
})

test('NODE_DEBUG=connect-postgres-simple prints the messages in lines, without sid or credentials', async () => {
  const { code, output } = await script('traced', {
    NODE_DEBUG: 'connect-postgres-simple',
    URL_OF_TEST: db.url,
    SID_OF_TEST: 'hush-sid-0123456789',
  }).ended()
  assert.equal(code, 0, output)
  for (const start of [
    'operation verb=set',
    'operation verb=get',
    'error="STORE_SID"',
    'batch verb=get',
    'connect server=',
    'prune ',
  ])
    assert.ok(output.includes(start), output)
  assert.match(output, /durationMs=[\d.]+/)
  for (const word of ['hush', new URL(db.url).password]) assert.ok(!output.includes(word), output)
})

test('no connection is left behind', () => db.drop())
