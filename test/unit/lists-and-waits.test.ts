// What is sent to the server beside a statement. No database.

import assert from 'node:assert/strict'
import type { OperationBatch } from '../../src/table/operations.ts'
import { milliseconds, parametersOf } from '../../src/table/parameters.ts'
import type { ParameterName } from '../../src/table/sql.ts'
import { promises } from '../support/promise.ts'

const test = promises('parameters')

const sent = (parameters: ParameterName[], batch: Partial<OperationBatch>, leftMs = 1000) =>
  parametersOf(
    { text: '', parameters },
    { keys: ['a'], ops: [{ verb: 'destroy' }], skipsHeld: false, isPatient: false, ...batch },
    5,
    { leftMs, latest: '7' },
  )

test('the wait for a lock ends before the time of the operation does, and 0, which is no limit, is never sent', () => {
  const wait = (leftMs: number, batch = {}) => Number(sent(['lockWaitMs'], batch, leftMs)[0])
  assert.equal(wait(10_000), 19)
  assert.equal(wait(10), 9)
  assert.ok(wait(10_000, { isPatient: true }) > 19)
  assert.equal(wait(100, { isPatient: true }), 95)
  assert.ok(wait(10_000, { skipsHeld: true }) < 19)
  for (const leftMs of [1.04, 1, 0.5, 0, -5]) assert.equal(wait(leftMs), 1)
  assert.equal(milliseconds(0), '1')
  assert.equal(milliseconds(10_000), '9500')
})

test('the separator stands in none of the lists that it separates', () => {
  const replace = { verb: 'replace', sess: '"\u0001"', was: '"\u0001\u0002"', expire: 1, aliveAt: 2 }
  const ops = [replace, { ...replace, was: '\u0004' }] as unknown as OperationBatch['ops']
  const names: ParameterName[] = [
    'separator',
    'sids',
    'texts',
    'expiries',
    'aliveAts',
    'now',
    'latest',
    'was',
  ]
  const [separator, ...lists] = sent(names, { keys: ['a\u0003', 'b'], ops }) as [string, ...string[]]
  assert.equal(separator, '\u0005')
  const wanted = [
    ['a\u0003', 'b'],
    [replace.sess, replace.sess],
    ['1', '1'],
    ['2', '2'],
    ['5'],
    ['7'],
    [replace.was, '\u0004'],
  ]
  assert.deepEqual(
    lists.map((list) => list.split(separator)),
    wanted,
  )
})
