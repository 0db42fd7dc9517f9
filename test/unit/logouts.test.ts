// What a process knows of its logouts: the memory of them. No database.

import assert from 'node:assert/strict'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { Logouts } from '../../src/session/logouts.ts'
import { promises } from '../support/promise.ts'

const test = promises('logouts')

test('no logout is overlooked, and the last ones are told apart from those of others', () => {
  const remembered = 5
  const sid = fc.constantFrom('a', 'b', 'c', 'd', '__proto__', 'constructor', '7')
  const event = fc.oneof({ weight: 20, arbitrary: sid }, { weight: 1, arbitrary: fc.constant(undefined) })
  fc.assert(
    fc.property(fc.array(event, { maxLength: 40 }), sid, (events, asked) => {
      const logouts = new Logouts(remembered)
      const counts: number[] = []
      for (const out of events) {
        counts.push(logouts.count)
        if (out === undefined) logouts.addAll()
        else logouts.add(out)
      }
      assert.equal(logouts.since(logouts.count, asked), false, 'none since now')
      for (const [i, count] of counts.entries()) {
        const since = events.slice(i)
        const happened = since.includes(asked) || since.includes(undefined)
        if (happened) assert.equal(logouts.since(count, asked), true)
        else if (since.length <= remembered) assert.equal(logouts.since(count, asked), false)
      }
    }),
    { numRuns: 5000 },
  )
})

test('what it takes is bounded, also where each sid is a slice of a large header', () => {
  setFlagsFromString('--expose-gc')
  const gc: () => void = runInNewContext('gc')
  const used = () => {
    gc()
    return process.memoryUsage().heapUsed
  }
  const logouts = new Logouts(2000)
  const before = used()
  for (let i = 0; i < 20_000; i++) {
    // 20,000 of them are 400 MB, the last 4,000 are 80.
    const header = Buffer.alloc(20_000, 'x').toString('latin1') + String(i).padStart(32, '0')
    logouts.add(header.slice(20_000))
  }
  assert.ok(used() - before < 20_000_000)
  assert.equal(logouts.since(19_999, String(19_999).padStart(32, '0')), true)
  assert.equal(logouts.since(19_999, String(19_998).padStart(32, '0')), false)
})
