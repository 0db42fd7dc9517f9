// Folding at its bounds. No database.

import assert from 'node:assert/strict'
import { fold, type Operation } from '../../src/table/operations.ts'
import { promises } from '../support/promise.ts'

const test = promises('folding')

test('what follows folds into a row that expires in the very second from which on it counts as alive', () => {
  const earlier: Operation = { verb: 'update', sess: '{}', expire: 5, aliveAt: 5 }
  const touch = (aliveAt: number): Operation => ({ verb: 'touch', expire: 9, aliveAt })
  assert.deepEqual(fold(earlier, touch(5)), { ...earlier, expire: 9 })
  assert.equal(fold(earlier, touch(6)), undefined)
  assert.equal(fold(earlier, touch(4)), undefined)
})
