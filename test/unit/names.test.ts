// The names of the table in SQL. No database.

import assert from 'node:assert/strict'
import { constant, names, partsOf, quoted } from '../../src/table/names.ts'
import { promises } from '../support/promise.ts'

const test = promises('names')

test('a table is named with its schema, and its index after it', () => {
  assert.deepEqual(names('session', undefined), {
    table: '"session"',
    schema: '',
    name: 'session',
    index: '"IDX_session_expire"',
  })
  assert.deepEqual(names('session', 'app'), {
    table: '"app"."session"',
    schema: '"app".',
    name: 'session',
    index: '"IDX_session_expire"',
  })
})

test('a quote in a name is doubled, each of them', () => {
  assert.equal(quoted('a"b"c'), '"a""b""c"')
  assert.equal(names('t"x', 's"y').table, '"s""y"."t""x"')
  assert.equal(names('t"x', undefined).index, '"IDX_t""x_expire"')
})

test('a dot is part of a name, and `a"."b` without a schema is the old way to name one', () => {
  assert.deepEqual(partsOf('app.session', undefined), [undefined, 'app.session'])
  assert.deepEqual(partsOf('app"."session', undefined), ['app', 'session'])
  assert.deepEqual(partsOf('app"."session', 'x'), ['x', 'app"."session'])
  for (const whole of ['a"b"."c', 'a"."b"c', '"."b', 'a"."', 'a"b'])
    assert.deepEqual(partsOf(whole, undefined), [undefined, whole])
})

test('a text as a constant has its quotes doubled, and its backslashes where there are any', () => {
  assert.equal(constant('a b'), "'a b'")
  assert.equal(constant("a'b'c"), "'a''b''c'")
  assert.equal(constant("a\\b'\\c"), "E'a\\\\b''\\\\c'")
})
