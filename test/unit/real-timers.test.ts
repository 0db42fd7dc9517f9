// The driver among fake timers: it sees the real ones while it works, and nobody else does. No database.

import assert from 'node:assert/strict'
import { Socket } from 'node:net'
import type { Sql } from 'postgres'
import { realTimers } from '../../src/clock.ts'
import { startedByRealTimers, withRealTimersInListeners } from '../../src/connection/real-timers.ts'
import { promises } from '../support/promise.ts'

const test = promises('real timers')

const NAMES = Object.keys(realTimers) as (keyof typeof realTimers)[]
const real = () => NAMES.filter((name) => globalThis[name] === realTimers[name])

/** With one of the timers replaced, as some tools for tests do. */
async function withFake(
  name: (typeof NAMES)[number],
  use: (fake: unknown) => void | Promise<void>,
): Promise<void> {
  const fake = () => assert.fail('the fake was called')
  Reflect.set(globalThis, name, fake)
  try {
    await use(fake)
  } finally {
    Reflect.set(globalThis, name, realTimers[name])
  }
}

/** A driver whose query tells what it sees when it starts. */
function driver(): { sql: Sql; handler: () => void; seen: string[][] } {
  const seen: string[][] = []
  const handler = () => void seen.push(real())
  const sql = { unsafe: (text: string, values: string[]) => ({ text, values, handler }) }
  return { sql: startedByRealTimers(sql as unknown as Sql), handler, seen }
}
const queryOf = (sql: Sql): any => sql.unsafe('select 1', ['a'])

test('a query starts with the real timers, whichever of them is replaced, and the fake is there again', async () => {
  for (const name of NAMES) {
    await withFake(name, (fake) => {
      const { sql, seen } = driver()
      const query = queryOf(sql)
      assert.deepEqual([query.text, query.values], ['select 1', ['a']])
      query.handler()
      assert.deepEqual(seen, [NAMES], name)
      assert.equal(globalThis[name], fake)
    })
  }
})

test('a query is left as the driver made it where no timer is replaced', () => {
  const { sql, handler } = driver()
  assert.equal(queryOf(sql).handler, handler)
})

test('listeners of the socket run with the real timers, and the fake is there again, even if one throws', async () => {
  for (const name of NAMES) {
    await withFake(name, (fake) => {
      const seen: string[][] = []
      const socket = withRealTimersInListeners(new Socket())
      socket.on('connect', () => void seen.push(real()))
      assert.equal(socket.emit('connect'), true)
      assert.equal(socket.emit('nobody listens'), false)
      assert.deepEqual(seen, [NAMES], name)
      socket.once('ready', () => {
        throw new Error('thrown')
      })
      assert.throws(() => socket.emit('ready'), /thrown/)
      assert.equal(globalThis[name], fake)
    })
  }
})

test('at the end of a connection no immediate of a fake is cleared, and a real one is', async () => {
  let cleared: unknown[] = []
  const { clearImmediate } = globalThis
  const spy = (immediate: NodeJS.Immediate) => void cleared.push(immediate)
  const mine = setImmediate(() => {})
  class Fake {}
  const ended = () => {
    cleared = []
    const socket = withRealTimersInListeners(new Socket())
    let during: unknown
    socket.on('close', () => {
      during = globalThis.clearImmediate
      for (const each of [undefined, new Fake(), Object.create(null), mine])
        globalThis.clearImmediate(each as NodeJS.Immediate)
    })
    const before = globalThis.clearImmediate
    socket.emit('close')
    assert.notEqual(during, before)
    assert.equal(globalThis.clearImmediate, before)
  }
  // The driver may have been given this one long ago, before a test ended its fakes.
  const { clearImmediate: kept } = realTimers
  Reflect.set(realTimers, 'clearImmediate', spy)
  Reflect.set(globalThis, 'clearImmediate', spy)
  try {
    ended()
    assert.deepEqual(cleared, [mine])
    Reflect.set(globalThis, 'clearImmediate', () => assert.fail('the fake was called'))
    ended()
    assert.deepEqual(cleared, [mine])
  } finally {
    Reflect.set(realTimers, 'clearImmediate', kept)
    Reflect.set(globalThis, 'clearImmediate', clearImmediate)
    clearImmediate(mine)
  }
})
