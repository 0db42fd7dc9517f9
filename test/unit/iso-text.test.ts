// Times as text.

import assert from 'node:assert/strict'
import fc from 'fast-check'
import { isoText } from '../../src/session/iso-text.ts'
import { promises } from '../support/promise.ts'

const test = promises('iso-text')
const END_OF_TIME = 8.64e12

test('the text is that of toISOString, for every time that a Date can represent, in whatever order they come', () => {
  const nearEachOther = fc.integer({ min: -200_000, max: 200_000 })
  const anywhere = fc.integer({ min: -END_OF_TIME, max: END_OF_TIME })
  const fraction = fc.double({ min: -1e12, max: 1e12, noNaN: true })
  fc.assert(
    fc.property(fc.array(fc.oneof(nearEachOther, anywhere, fraction)), (times) => {
      for (const seconds of [...times, -END_OF_TIME, END_OF_TIME, 0, -0]) {
        assert.equal(isoText(seconds), new Date(seconds * 1000).toISOString())
      }
    }),
  )
})
