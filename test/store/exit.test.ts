// The process ends by itself: after close(), and also when only the store's timer and idle connections are
// left.

import assert from 'node:assert/strict'
import { proxy } from '../faults/proxy.ts'
import { sideBySide } from '../faults/side-by-side.ts'
import { database, tableSql } from '../support/database.ts'
import { script } from '../support/processes.ts'
import { promises } from '../support/promise.ts'

const db = await database('exit')
await db.sql.unsafe(tableSql)
const test = promises('exit')

interface Case {
  promise: string
  run(): Promise<void>
}

const alone: Case[] = Object.entries({
  close: 'after close(), with the server closed',
  timer: 'when the app has closed its server and nothing but the prune timer and idle connections is left',
  unused: 'when the store was made and never used',
  instance: 'after close() and the end of the instance it was given',
  refused: 'after an operation has failed for good',
}).map(([mode, what]) => ({
  promise: `the process exits by itself ${what}`,
  async run() {
    const app = script('exiting-app', { MODE: mode, URL_OF_TEST: db.url })
    const { code, signal, output } = await app.ended(30)
    assert.deepEqual([code, signal], [0, null], output)
    const [, took] = /left alone for (\d+)/.exec(output) ?? []
    // Far below the 60 s of the prune timer and of an idle connection: it is not waited for.
    assert.ok(Number(took) < 20_000, output)
  },
}))

const inFaults: Case[] = (['hole', 'shut', 'silent', 'cut'] as const).map((mode) => ({
  promise: `in the middle of a fault (${mode}) close() ends within the timeout, and the process exits by itself`,
  async run() {
    const between = await proxy(db.url)
    const app = script('exiting-app', { MODE: 'fault', URL_OF_TEST: between.url })
    await app.printed(/ready/)
    between.become(mode)
    // The connections it has; new ones meet the fault.
    if (mode === 'shut' || mode === 'silent') between.hangUp()
    const { code, signal, output } = await app.ended(30).finally(between.close)
    assert.deepEqual([code, signal], [0, null], output)
    const [, closed, codes] = /closed within (\d+), failed with (.*)/.exec(output) ?? []
    assert.equal(codes, 'STORE_TIMEOUT', output)
    // A second is its timeout; the rest is for a machine that is busy.
    assert.ok(Number(closed) < 5000, output)
    assert.ok(Number(/left alone for (\d+)/.exec(output)?.[1]) < 20_000, output)
  },
}))

// They wait more than they compute.
const cases = [...alone, ...inFaults]
let outcomes: Promise<void>[] | undefined
for (const [i, { promise }] of cases.entries()) {
  test(promise, async () => {
    outcomes ??= sideBySide(
      4,
      cases.map(({ run }) => run),
    )
    await outcomes[i]
  })
}

test('SIGTERM in the middle of requests: the app closes the store, what was begun is stored', async () => {
  const app = script('exiting-app', { MODE: 'signal', URL_OF_TEST: db.url })
  await app.printed(/listening/)
  app.child.kill('SIGTERM')
  const { code, output } = await app.ended()
  assert.equal(code, 0, output)
  const [, acknowledged] = /acknowledged (\d+)/.exec(output) ?? []
  const stored = await db.sql`select sid from session where sid like 'signal-%'`
  assert.ok(Number(acknowledged) > 0)
  assert.ok(stored.length >= Number(acknowledged), `${stored.length} of ${acknowledged}`)
})

test('no connection is left behind', () => db.drop())
