// The comparison of `npm run bench:guard`: what was counted, beside what was accepted.

import assert from 'node:assert/strict'
import { compare } from '../../bench/guard/compare.js'
import { promises } from '../support/promise.ts'

const test = promises('guard')

const accepted = {
  node: '20',
  cases: { get: { statements: 1, allocatedBytes: 1000 }, set: { statements: 2 } },
}
const counted = (node: string, get: Record<string, number>) => ({
  node,
  cases: { get, set: { statements: 2 } },
})

test('a count that differs by more than 5 % is a change, whether it is more or less', () => {
  const changesOf = (allocatedBytes: number) =>
    compare(accepted, counted('20', { statements: 1, allocatedBytes })).changes
  assert.deepEqual([changesOf(950), changesOf(1050)], [[], []])
  assert.deepEqual(changesOf(1051), ['get: allocatedBytes 1000 → 1051, +5.1 % (at most ±5 %)'])
  assert.deepEqual(changesOf(940), ['get: allocatedBytes 1000 → 940, -6.0 % (at most ±5 %)'])
})

test('a count or a case that is new or gone is a change', () => {
  const cases = { get: { statements: 1, roundTrips: 1 } }
  const { changes } = compare(accepted, { node: '20', cases })
  assert.deepEqual(
    changes.map((change) => change.replace(/ [^ ]+ → .*/, '')),
    ['get: allocatedBytes', 'get: roundTrips', 'set: statements'],
  )
})

test('allocated bytes are left out on another major version of Node, and that is said', () => {
  const { changes, notes } = compare(accepted, counted('24', { statements: 1, allocatedBytes: 2000 }))
  assert.deepEqual(changes, [])
  assert.equal(notes.length, 1)
})
