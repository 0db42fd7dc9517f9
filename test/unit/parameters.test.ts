// What is sent with a batch's statement. No database.

import assert from 'node:assert/strict'
import type { Operation } from '../../src/table/operations.ts'
import { milliseconds, parametersOf } from '../../src/table/parameters.ts'
import type { ParameterName } from '../../src/table/sql.ts'
import { promises } from '../support/promise.ts'

const test = promises('parameters')

interface Sent {
  keys?: string[]
  ops?: object[]
  skipsHeld?: boolean
  isPatient?: boolean
  leftMs?: number
}

const sent = (
  parameters: ParameterName[],
  { keys = [], ops = [], skipsHeld = false, isPatient = false, leftMs = 10_000 }: Sent = {},
) =>
  parametersOf({ text: '', parameters }, { keys, ops: ops as Operation[], skipsHeld, isPatient }, 5, {
    leftMs,
    latest: '7.5',
  })

test('parameters stand in the order of the statement, lists with an element for each sid', () => {
  const ops = [
    { verb: 'replace', sess: 'A', was: 'B', expire: 1, aliveAt: 2 },
    { verb: 'replace', sess: 'C', was: 'D', expire: 3, aliveAt: 4 },
  ]
  assert.deepEqual(
    sent(['now', 'aliveAts', 'expiries', 'was', 'texts', 'sids', 'separator', 'latest'], {
      keys: ['a', 'c'],
      ops,
    }),
    ['5', '2\u00014', '1\u00013', 'B\u0001D', 'A\u0001C', 'a\u0001c', '\u0001', '7.5'],
  )
  assert.deepEqual(sent(['sids', 'texts'], { keys: ['a', 'b'], ops: [{}, { sess: 'B' }] }), [
    'a\u0001b',
    '\u0001B',
  ])
  assert.deepEqual(sent(['sids', 'texts']), ['', ''])
})

test('the separator is in no element of a list that is sent', () => {
  const separators = (sess: string, was: string, key = 'k') =>
    sent(['separator', 'sids', 'texts', 'was'], { keys: [key], ops: [{ sess, was }] })[0]
  assert.equal(separators('a', 'b'), '\u0001')
  assert.equal(separators('a\u0001', 'b'), '\u0002')
  assert.equal(separators('a', '\u0001b\u0002'), '\u0003')
  assert.equal(separators('\u0002', '\u0003', '\u0001'), '\u0004')
  const two = { keys: ['a', 'b\u0001'], ops: [{ expire: 1 }, { expire: 2 }] }
  assert.deepEqual(sent(['separator', 'sids', 'expiries'], two), ['\u0002', 'a\u0002b\u0001', '1\u00022'])
  const unsent = { keys: ['a'], ops: [{ sess: '\u0001', expire: 1 }] }
  assert.deepEqual(sent(['separator', 'sids', 'expiries'], unsent), ['\u0001', 'a', '1'])
})

test('the server waits for a lock no longer than the store, and how long depends on who waits', () => {
  const waits = (batch: Sent) => Number(sent(['lockWaitMs'], batch)[0])
  assert.deepEqual([waits({ skipsHeld: true }), waits({}), waits({ isPatient: true })], [1, 19, 237])
  assert.equal(waits({ leftMs: 10 }), 9)
  assert.equal(waits({ isPatient: true, leftMs: 100 }), 95)
})

test('a timeout for the server is a whole number, shorter than ours, and never 0, which is no limit', () => {
  for (const [leftMs, sentMs] of [
    [1000, '950'],
    [10.6, '10'],
    [1, '1'],
    [0.5, '1'],
    [0, '1'],
    [-100, '1'],
  ] as const) {
    assert.equal(milliseconds(leftMs), sentMs)
  }
})
