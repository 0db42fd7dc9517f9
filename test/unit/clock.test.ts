// The clocks and timers of the store. No database.

import assert from 'node:assert/strict'
import { AsyncLocalStorage } from 'node:async_hooks'
import * as clock from '../../src/clock.ts'
import { promises } from '../support/promise.ts'

const test = promises('clock')

test('the wall clock counts whole seconds, rounded up', () => {
  const before = Date.now()
  const now = clock.now()
  assert.ok(Number.isInteger(now))
  assert.ok(now * 1000 >= before && now * 1000 < Date.now() + 1000, String(now))
})

test('the monotonic clock goes on, whatever the wall clock is set to', async () => {
  const real = Date.now
  const before = clock.monotonicMs()
  Date.now = () => 0
  try {
    await clock.pause(2)
    const passed = clock.monotonicMs() - before
    assert.ok(passed > 0.5 && passed < 60_000, String(passed))
  } finally {
    Date.now = real
  }
})

test('timers, pauses and turns come in no request’s async context, and a stopped timer not at all', async () => {
  const request = new AsyncLocalStorage<string>()
  const seen: unknown[] = []
  const see = () => void seen.push(request.getStore())
  await request.run('request', async () => {
    clock.startTimer(see, 0)
    clock.soon(see)
    clock.inBackground(see)
    clock.stopTimer(clock.startTimer(() => seen.push('stopped'), 0))
    await clock.pause(5)
    assert.equal(request.getStore(), 'request')
  })
  assert.deepEqual(seen, [undefined, undefined, undefined])
  assert.equal(
    clock.inBackground(() => 5),
    5,
  )
})
