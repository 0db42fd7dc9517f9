// The rules of the options at their bounds, and what becomes of what was given. No database.

import assert from 'node:assert/strict'
import type { Options } from '../../src/options.ts'
import { parseOptions } from '../../src/settings/settings.ts'
import { failure } from '../support/failure.ts'
import { promises } from '../support/promise.ts'

const test = promises('settings')

const messageOf = (options: object): string => {
  try {
    parseOptions(options as Options)
  } catch (error) {
    assert.ok(error instanceof TypeError, String(error))
    return error.message
  }
  return ''
}

/** @returns those of the values that the option refuses */
const refused = (option: string, ...values: unknown[]) =>
  values.filter((value) => messageOf({ [option]: value }).startsWith('Expected '))

test('a number is taken up to its bounds, and refused behind them', () => {
  const maxDelay = 2_147_483_647
  assert.deepEqual(refused('timeout', 0.001, 1, 2_147_483, 2_147_484, -1, '5', 5n, [5]), [
    ...[2_147_484, -1, '5', 5n, [5]],
  ])
  const maxInterval = maxDelay / 1000 / 1.5
  assert.deepEqual(
    refused('pruneSessionInterval', 0.001, maxInterval, false, maxInterval + 1, -1, '5', [5]),
    [...[maxInterval + 1, -1, '5', [5]]],
  )
  assert.deepEqual(refused('max', 1, 10_000, 0, 10_001, 1.5, '4'), [0, 10_001, 1.5, '4'])
  assert.deepEqual(refused('maxLifetime', 1, 1.5, 0.5, '5'), [0.5, '5'])
  assert.deepEqual(refused('touchInterval', 0, 0.5, -0.5, '5'), [-0.5, '5'])
  assert.deepEqual(
    refused('ttl', 0, 0.5, () => 5, -0.5, '5'),
    [-0.5, '5'],
  )
})

test('each rule takes what it says', () => {
  const taken: Options[] = [
    ...(['overwrite', 'merge', 'error'] as const).map((onConflict) => ({ onConflict })),
    ...[true, false].flatMap((value) => [{ createTableIfMissing: value }, { userIndex: value }]),
    { tableName: 'a b', schemaName: 'ä"' },
    { conString: 'postgres://h/d' },
    { conObject: {} },
    { userIdPath: ['a b', 'ä'] },
    { serializer: { stringify: () => '', parse: () => ({}) as never } },
    { pruneSessionRandomizedInterval: (ms) => ms },
    { errorLog() {} },
  ]
  for (const options of taken) assert.equal(messageOf(options), '')
})

test('each rule says what it takes', () => {
  const said: [object, string][] = [
    [{ touchInterval: -1 }, '`touchInterval` to be a number of seconds of at least 0, got `-1` (number)'],
    [
      { pruneSessionInterval: 0 },
      '`pruneSessionInterval` to be a number of seconds above 0 and up to 1431655, or false for never, got `0` (number)',
    ],
    [
      { pruneSessionRandomizedInterval: true },
      '`pruneSessionRandomizedInterval` to be false, or a function from milliseconds to milliseconds, got `true` (boolean)',
    ],
    [{ timeout: 0 }, '`timeout` to be a number of seconds above 0 and up to 2147483, got `0` (number)'],
    [{ onConflict: 'x' }, "`onConflict` to be 'overwrite', 'merge' or 'error', got `x` (string)"],
  ]
  for (const [options, words] of said) assert.equal(messageOf(options), `Expected ${words}`)
})

test('null, an array and what lacks a function are no values of an option that is an object', () => {
  assert.deepEqual(refused('conObject', null, []), [null, []])
  const halves = [{ stringify() {} }, { parse() {} }]
  assert.deepEqual(refused('serializer', null, ...halves), [null, ...halves])
})

test('a message shows a short value, the start of a long one, and of no secret more than its type', () => {
  const got = (options: object) => messageOf(options).replace(/^.* got /s, '')
  assert.equal(got({ ttl: 'x'.repeat(60) }), `\`${'x'.repeat(60)}\` (string)`)
  assert.equal(got({ ttl: 'x'.repeat(61) }), `\`${'x'.repeat(60)}…\` (string)`)
  assert.equal(got({ tableName: () => 'hush' }), 'a value of type function')
  assert.equal(got({ conString: '' }), '`` (string)')
  assert.equal(got({ conString: 5 }), '`5` (number)')
  assert.equal(got({ conObject: 'host=hush' }), 'a value of type string', 'without a sign of a URL')
  assert.equal(got({ ttl: 'u:hush@h' }), 'a value of type string')
  assert.equal(got({ ttl: 'postgres://h' }), 'a value of type string')
})

test('the size of a pool in `conObject` may be a text, and counts only without `postgres` and `max`', () => {
  const sizeOf = (conObject: object, more: Options = {}) =>
    parseOptions({ conObject: conObject as Record<string, unknown>, ...more }).max
  assert.equal(sizeOf({ max: 7 }), 7)
  assert.equal(sizeOf({ max: '7' }), 7)
  assert.equal(sizeOf({ poolSize: 6 }), 6)
  assert.equal(sizeOf({ max: 7, poolSize: 6 }), 7)
  for (const none of [undefined, null, '']) assert.equal(sizeOf({ max: none, poolSize: none }), 4)
  assert.equal(sizeOf({ max: 7 }, { max: 5 }), 5)
  assert.equal(sizeOf({ max: 7 }, { postgres: (() => {}) as never }), 4)
  assert.match(messageOf({ conObject: { max: true } }), /`max` to be a whole number .*got `true`/)
})

test('a serializer of the app is used, and JSON by default, also where it was encoded twice', () => {
  const own = {
    stringify(session: object) {
      return this === own ? JSON.stringify(session) : ''
    },
    parse(text: string) {
      return this === own ? { text } : {}
    },
  }
  const { serializer } = parseOptions({ serializer: own as never })
  assert.equal(serializer.stringify({ a: 1 } as never), '{"a":1}')
  assert.deepEqual(serializer.parse('x'), { text: 'x' })
  const json = parseOptions().serializer
  assert.equal(json.stringify({ a: 1 } as never), '{"a":1}')
  assert.deepEqual(json.parse('{"a":1}'), { a: 1 })
  assert.deepEqual(json.parse(JSON.stringify('{"a":1}')), { a: 1 })
})

test('an async serializer has `timeout` for each text, and then fails with STORE_TIMEOUT', async () => {
  const never = new Promise<never>(() => {})
  const of = (result: unknown) =>
    parseOptions({ timeout: 0.01, serializer: { stringify: () => result, parse: () => result } as never })
      .serializer
  for (const call of [of(never).stringify({} as never), of(never).parse('x')]) {
    const { code, message } = await failure(Promise.resolve(call))
    assert.deepEqual(
      [code, message],
      ['STORE_TIMEOUT', "The serializer did not answer within the store's `timeout`"],
    )
  }
  assert.equal(await of(Promise.resolve('x')).stringify({} as never), 'x')
  const { message } = await failure(Promise.resolve(of(Promise.reject(new Error('own'))).parse('x')))
  assert.equal(message, 'own')
  for (const none of [undefined, null, 5]) assert.equal(of(none).parse('x'), none)
})

test('a function of the app decides the interval of prunes, and the list of a path is copied', () => {
  const { pruneSessionRandomizedInterval } = parseOptions({ pruneSessionRandomizedInterval: (ms) => ms + 1 })
  assert.equal(pruneSessionRandomizedInterval(5), 6)
  const path = ['a']
  const { userIdPath } = parseOptions({ userIdPath: path })
  path.push('b')
  assert.deepEqual(userIdPath, ['a'])
})

test('console.error gets no second argument where there is no error', () => {
  const real = console.error
  const seen: unknown[][] = []
  console.error = (...all: unknown[]) => seen.push(all)
  try {
    parseOptions().errorLog('what', undefined)
  } finally {
    console.error = real
  }
  assert.deepEqual(seen, [['what']])
})

test('an `errorLog` that throws or rejects harms nobody', async () => {
  const failing = [
    () => {
      throw new Error('thrown')
    },
    () => Promise.reject(new Error('rejected')),
  ]
  for (const errorLog of failing) parseOptions({ errorLog }).errorLog('what', 'why')
  await new Promise((resume) => setImmediate(resume))
})
