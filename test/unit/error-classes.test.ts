// What an error may say. No database.

import assert from 'node:assert/strict'
import { withoutData } from '../../src/errors.ts'
import { createTable } from '../../src/table/ddl.ts'
import { names } from '../../src/table/names.ts'
import { failure } from '../support/failure.ts'
import { promises } from '../support/promise.ts'

const test = promises('errors, class by class')

/** The classes of PostgreSQL's appendix A. */
const CLASSES =
  '00 01 02 03 08 09 0A 0B 0F 0L 0P 0Z 10 20 21 22 23 24 25 26 27 28 2B 2D 2F 34 38 39 3B 3D 3F 40 42 44 53 54 55 57 58 72 F0 HV P0 XX'
/** In which the server's message is made of its own words and the store's statement. */
const SAFE = '08 0A 25 26 28 3D 3F 40 42 53 55 57 58'

test('only in classes whose messages hold no data is the server’s message given on, in no other', () => {
  for (const state of CLASSES.split(' ')) {
    const { message, code } = withoutData({
      ...{ code: `${state}001`, message: 'secret', detail: 'secret', where: 'secret', severity: 'ERROR' },
      severity_local: 'ERROR',
    })
    assert.equal(code, `${state}001`)
    assert.equal(message.includes('secret'), SAFE.split(' ').includes(state), `class ${state}`)
  }
})

test('nothing of what a function raises is given on, in whatever class', () => {
  for (const where of ['PL/pgSQL function nothing() line 1 at RAISE', 'SQL function "f" statement 1']) {
    const error = { code: '42501', message: 'secret', severity: 'ERROR', severity_local: 'ERROR', where }
    const cleaned = withoutData(error)
    assert.ok(!cleaned.message.includes('secret'))
    assert.equal(cleaned.isFromFunction, true)
  }
})

test('a creation of the table that fails twice fails with the second error, unless the table is there then', async () => {
  const create = (isThere: boolean) => {
    let tries = 0
    let looks = 0
    return createTable(names('session', undefined), '', {
      exists: async () => ++looks === 3 && isThere,
      create: async () => {
        throw Object.assign(new Error(), { code: ++tries === 1 ? '42P07' : '42501' })
      },
    })
  }
  assert.equal((await failure(create(false))).code, '42501')
  await create(true)
})
