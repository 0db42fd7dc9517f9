// Which row a sid is given. No database.

import assert from 'node:assert/strict'
import { answersOf } from '../../src/table/answers.ts'
import type { Operation } from '../../src/table/operations.ts'
import { rowColumns, rowOf } from '../../src/table/row.ts'
import { promises } from '../support/promise.ts'

const test = promises('answers')

const batch = (verb: Operation['verb'], ...keys: string[]) => ({
  keys,
  ops: keys.map(() => ({ verb }) as Operation),
  skipsHeld: false,
  isPatient: false,
})
const isMismatch = { name: 'StoreError', code: 'STORE_MISMATCH' }

test('each sid gets its own row, in whatever order the rows came, and no row where none came', () => {
  const rows = [
    ['c', '{}', '3'],
    ['a', '{}', '1'],
  ]
  assert.deepEqual(answersOf(batch('get', 'a', 'b', 'c'), rows), [rows[1], undefined, rows[0]])
  assert.deepEqual(answersOf(batch('touch', 'b', 'a'), [['a']]), [undefined, ['a']])
  assert.deepEqual(answersOf(batch('get'), []), [])
})

test('a row that was not asked for, or that comes twice, is given to nobody', () => {
  for (const verb of ['get', 'touch'] as const) {
    const rows = (...sids: (string | null)[]) =>
      sids.map((sid) => (verb === 'get' ? [sid, '{}', '1'] : [sid]))
    for (const wrong of [rows('a', 'x'), rows('a', 'a'), rows(null)]) {
      assert.throws(() => answersOf(batch(verb, 'a', 'b'), wrong), isMismatch)
    }
  }
  assert.throws(() => answersOf(batch('get'), [['a', '{}', '1']]), isMismatch)
})

test('what is not the row of a session is none to a get and a replace, and is what a touch returns', () => {
  for (const wrong of [['a'], ['a', '{}'], ['a', '{}', null], ['a', '{}', '1', '2']]) {
    for (const verb of ['get', 'replace'] as const) {
      assert.throws(() => answersOf(batch(verb, 'a'), [wrong]), isMismatch)
    }
    assert.deepEqual(answersOf(batch('touch', 'a'), [wrong]), [wrong])
  }
  assert.equal(rowColumns('s.sid', 'epoch'), 's.sid, s.sess::text, epoch', 'in this order')
  assert.throws(() => rowOf([null, '{}', '1']), isMismatch)
  assert.deepEqual(rowOf(['a', null, '1']), ['a', null, '1'])
})
