// What two operations on one sid amount to, against a model of the row. No database.

import assert from 'node:assert/strict'
import fc from 'fast-check'
import { fold, type Operation, type Replace } from '../../src/table/operations.ts'
import { promises } from '../support/promise.ts'

const test = promises('operations')

type Model = { sess: string; expire: number } | undefined

/** What the statements do to a row. */
function apply(row: Model, op: Operation): Model {
  if (op.verb === 'get') return row
  if (op.verb === 'destroy') return undefined
  if (op.verb === 'upsert') return { sess: op.sess, expire: op.expire }
  if (op.verb === 'insert') return row ?? { sess: op.sess, expire: op.expire }
  if (!row || row.expire < op.aliveAt) return row
  if (op.verb === 'replace') return row.sess === op.was ? { sess: op.sess, expire: op.expire } : row
  return op.verb === 'update' ? { sess: op.sess, expire: op.expire } : { ...row, expire: op.expire }
}

const seconds = fc.integer({ min: 0, max: 6 })
const sess = fc.constantFrom('"a"', '"b"', '"c"')
const operation: fc.Arbitrary<Operation> = fc.oneof(
  fc.constant<Operation>({ verb: 'destroy' }),
  fc.record({ verb: fc.constant('upsert' as const), sess, expire: seconds, aliveAt: fc.constant(0) }),
  fc.record({ verb: fc.constant('update' as const), sess, expire: seconds, aliveAt: seconds }),
  fc.record({ verb: fc.constant('touch' as const), expire: seconds, aliveAt: seconds }),
  fc.record({
    verb: fc.constantFrom('replace' as const, 'insert' as const),
    sess,
    was: sess,
    mine: sess,
    lastKnownTexts: fc.constant(() => undefined),
    mayBeMissing: fc.constant(() => false),
    inContext: fc.constant(<T>(work: () => T) => work()),
    expire: seconds,
    aliveAt: seconds,
  }),
)
const row: fc.Arbitrary<Model> = fc.option(fc.record({ sess, expire: seconds }), { nil: undefined })

test('folding as much as possible leaves the same row as one after the other, whatever there was', () => {
  fc.assert(
    fc.property(row, fc.array(operation, { maxLength: 8 }), (start, operations) => {
      const folded: Operation[] = []
      for (const next of operations) {
        const last = folded.at(-1)
        const one = last && fold(last, next)
        if (one) folded[folded.length - 1] = one
        else folded.push(next)
      }
      assert.deepEqual(folded.reduce(apply, start), operations.reduce(apply, start))
    }),
    { numRuns: 20_000 },
  )
})

test('the usual pairs fold into one statement', () => {
  const save: Operation = { verb: 'update', sess: '"a"', expire: 9, aliveAt: 5 }
  const create: Operation = { verb: 'upsert', sess: '"b"', expire: 9, aliveAt: 0 }
  const touch: Operation = { verb: 'touch', expire: 12, aliveAt: 5 }
  assert.deepEqual(fold(save, touch), { ...save, expire: 12 })
  assert.deepEqual(fold(create, touch), { ...create, expire: 12 })
  assert.deepEqual(fold(touch, touch), touch)
  assert.deepEqual(fold(create, save), { ...create, sess: '"a"' })
  assert.deepEqual(fold(save, { verb: 'destroy' }), { verb: 'destroy' })
  assert.deepEqual(fold({ verb: 'destroy' }, save), { verb: 'destroy' })
  assert.deepEqual(fold({ verb: 'get' }, { verb: 'get' }), { verb: 'get' })
})

test('a save that may be in conflict shares its fate with no save and no touch', () => {
  const replace: Replace = {
    verb: 'replace',
    sess: '"b"',
    was: '"a"',
    mine: '"b"',
    lastKnownTexts: () => undefined,
    mayBeMissing: () => false,
    inContext: (work) => work(),
    expire: 9,
    aliveAt: 5,
  }
  const insert: Replace = { ...replace, verb: 'insert' }
  const touch: Operation = { verb: 'touch', expire: 12, aliveAt: 5 }
  const create: Operation = { verb: 'upsert', sess: '"c"', expire: 9, aliveAt: 0 }
  const destroy: Operation = { verb: 'destroy' }
  for (const save of [replace, insert]) {
    const others: Operation[] = [touch, create, save]
    for (const other of others) {
      assert.equal(fold(save, other), undefined, `${save.verb}, ${other.verb}`)
      assert.equal(fold(other, save), undefined, `${other.verb}, ${save.verb}`)
    }
    assert.equal(fold(save, destroy), destroy)
  }
  assert.equal(fold(destroy, replace), destroy, 'there is no row for it')
  assert.equal(fold(destroy, insert), undefined)
})

test('a read folds with no write, and a create not with a destroy before it', () => {
  const create: Operation = { verb: 'upsert', sess: '"b"', expire: 9, aliveAt: 0 }
  assert.equal(fold({ verb: 'get' }, create), undefined)
  assert.equal(fold(create, { verb: 'get' }), undefined)
  assert.equal(fold({ verb: 'destroy' }, create), undefined)
})

test('a row that expires at the very second is alive, so what follows folds into what leaves it so', () => {
  const until = (expire: number) => ({ verb: 'upsert', sess: '"a"', expire, aliveAt: 0 }) as const
  const touch = { verb: 'touch', expire: 9, aliveAt: 5 } as const
  assert.deepEqual(fold(until(5), touch), { ...until(5), expire: 9 })
  assert.equal(fold(until(4), touch), undefined)
})
