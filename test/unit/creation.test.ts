// The creation of a session in its text: into it and out of it, with anything beside it. No database.

import assert from 'node:assert/strict'
import type { SessionData } from 'express-session'
import fc from 'fast-check'
import { creationIn, removeCreation, thisSecond, withCreation } from '../../src/session/creation.ts'
import { promises } from '../support/promise.ts'

const test = promises('creation')

const session = fc.dictionary(
  fc.string(),
  fc.jsonValue(),
) as fc.Arbitrary<unknown> as fc.Arbitrary<SessionData>

test('whatever the session holds, its text gives the creation back, and without it the session', () => {
  fc.assert(
    fc.property(session, fc.integer({ min: 0, max: thisSecond() }), (data, created) => {
      const before = JSON.stringify(data)
      const text = JSON.stringify(withCreation(data, created))
      assert.equal(JSON.stringify(data), before, 'the app’s object is as it was')
      const read = JSON.parse(text)
      assert.equal(creationIn(read), created)
      removeCreation(read)
      assert.equal(JSON.stringify(read), before)
    }),
  )
})

test('only a number that is not still to come is a creation', () => {
  const say = (created: unknown) => creationIn({ 'connect-postgres-simple:created': created } as never)
  assert.equal(say(0), 0)
  for (const none of [Number.NaN, thisSecond() + 10, '5', null, undefined, [5], {}]) {
    assert.equal(say(none), undefined)
  }
  assert.equal(creationIn(Object.create({ 'connect-postgres-simple:created': 5 })), undefined, 'inherited')
})
