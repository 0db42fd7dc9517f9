// The door of the store: what it lets in, completes, and turns away. No database.

import assert from 'node:assert/strict'
import session from 'express-session'
import postgres from 'postgres'
import { lentOptions } from '../../src/connection/driver.ts'
import connectPostgresSimple from '../../src/index.ts'
import { parseOptions } from '../../src/settings/settings.ts'
import { promises } from '../support/promise.ts'
import { Store } from '../support/store.ts'

const test = promises('options')

const refused = (options: unknown): string => {
  try {
    void new Store(options as object).close()
  } catch (error) {
    assert.ok(error instanceof TypeError, String(error))
    return error.message
  }
  throw new Error('expected a TypeError')
}

test('without options every setting has its default', () => {
  const settings = parseOptions()
  assert.deepEqual(
    { ...settings, pruneSessionRandomizedInterval: 0, errorLog: 0, serializer: 0 },
    {
      postgres: undefined,
      conString: undefined,
      conObject: undefined,
      tableName: 'session',
      schemaName: undefined,
      ttl: 86_400,
      createTableIfMissing: false,
      userIdPath: ['passport', 'user'],
      userIndex: false,
      disableTouch: false,
      touchInterval: undefined,
      maxLifetime: undefined,
      pruneSessionInterval: 60,
      pruneSessionRandomizedInterval: 0,
      errorLog: 0,
      serializer: 0,
      timeoutMs: 10_000,
      max: 4,
      isolate: true,
      onConflict: 'overwrite',
    },
  )
  for (let i = 0; i < 1000; i++) {
    const delay = settings.pruneSessionRandomizedInterval(1000)
    assert.ok(delay >= 500 && delay <= 1500)
  }
})

test('errors go to the console.error of the moment, if nothing else is said', () => {
  const real = console.error
  const seen: unknown[] = []
  const { errorLog } = parseOptions()
  console.error = (...parts: unknown[]) => seen.push(...parts)
  try {
    errorLog('what', 'why')
  } finally {
    console.error = real
  }
  assert.deepEqual(seen, ['what', 'why'])
})

test('0 and false are values, undefined is "not given"', () => {
  const settings = parseOptions({
    ttl: 0,
    touchInterval: undefined,
    pruneSessionInterval: false,
    pruneSessionRandomizedInterval: false,
    tableName: undefined,
  })
  assert.equal(settings.ttl, 0)
  assert.equal(settings.pruneSessionInterval, false)
  assert.equal(settings.pruneSessionRandomizedInterval(1000), 1000)
  assert.equal(settings.tableName, 'session')
})

test('undefined for what leads to the database is refused, as it would lead to another', () => {
  assert.match(
    refused({ conString: undefined }),
    /`conString`.*or left out for DATABASE_URL.*got `undefined`/,
  )
  assert.match(refused({ conObject: undefined }), /`conObject` to be an object, got `undefined`/)
  assert.match(refused({ postgres: undefined, conString: 'postgres://h/d' }), /`postgres`.*got `undefined`/)
})

test('`postgres` wins over `conObject`, and that over `conString`', async () => {
  const sql = postgres('postgres://instance/d')
  const all = { postgres: sql, conObject: { host: 'object', max: 7 }, conString: 'postgres://string/d' }
  const { postgres: _, ...two } = all
  const hosts = [all, two, { conString: all.conString }].map(
    (options) => lentOptions(parseOptions(options)).host[0],
  )
  assert.deepEqual(hosts, ['instance', 'object', 'string'])
  assert.deepEqual([parseOptions(all).max, parseOptions(two).max], [4, 7])
  await sql.end()
})

test('connections bear the name of the store, unless the app chose one', () => {
  const nameOf = (connection?: object) => {
    const sql = postgres('postgres://host/d', { ...(connection && { connection }) } as object)
    const { connection: made } = lentOptions(parseOptions({ postgres: sql }))
    return made.application_name
  }
  assert.deepEqual(
    [undefined, {}, { application_name: undefined }, { application_name: 'shop' }].map(nameOf),
    ['connect-postgres-simple', 'connect-postgres-simple', 'connect-postgres-simple', 'shop'],
  )
})

test('to connect takes as long as an operation at most, and with several hosts leaves time for each', () => {
  const seconds = (conString: string) =>
    lentOptions(parseOptions({ conString, timeout: 12 }))['connect_timeout']
  assert.deepEqual(
    ['postgres://a/d', 'postgres://a,b,c/d', 'postgres://a/d?connect_timeout=3'].map(seconds),
    [12, 2, 3],
  )
})

test('a wrong value is a TypeError with name, rule, value and type', () => {
  const wrong: [object, RegExp][] = [
    [{ tableName: 5 }, /`tableName` to be a non-empty string without NUL, got `5` \(number\)/],
    [{ tableName: '' }, /`tableName`.*got `` \(string\)/],
    [{ schemaName: 'a\0b' }, /`schemaName`/],
    [{ ttl: '1 day' }, /`ttl`.*seconds.*got `1 day` \(string\)/],
    [{ ttl: -1 }, /got `-1` \(number\)/],
    [{ ttl: Number.NaN }, /got `NaN` \(number\)/],
    [{ ttl: null }, /got `null` \(object\)/],
    [{ createTableIfMissing: 'yes' }, /true or false, got `yes` \(string\)/],
    [{ disableTouch: 1 }, /got `1` \(number\)/],
    [{ userIndex: 'yes' }, /`userIndex` to be true or false, got `yes` \(string\)/],
    [{ userIdPath: 'user' }, /`userIdPath` to be a non-empty array of property names/],
    ...[[], [1], ['a', undefined], ['a\n'], ['\ud800'], ['\0']].map((userIdPath): [object, RegExp] => [
      { userIdPath },
      /`userIdPath` to be a non-empty array .*got a value of type array/,
    ]),
    [{ touchInterval: [] }, /got a value of type array/],
    [{ maxLifetime: 0 }, /`maxLifetime` to be a number of seconds of at least 1, got `0` \(number\)/],
    [{ maxLifetime: Number.POSITIVE_INFINITY }, /`maxLifetime`/],
    [{ maxLifetime: false }, /`maxLifetime`/],
    [{ pruneSessionInterval: 0 }, /above 0.*or false for never, got `0` \(number\)/],
    [{ pruneSessionInterval: true }, /`pruneSessionInterval`/],
    [{ pruneSessionInterval: 2e6 }, /`pruneSessionInterval`/],
    [{ pruneSessionRandomizedInterval: true }, /`pruneSessionRandomizedInterval`/],
    [{ errorLog: {} }, /`errorLog` to be a function, got a value of type object/],
    [{ serializer: { parse() {} } }, /`stringify` and `parse`/],
    [{ timeout: 0 }, /`timeout`/],
    [{ timeout: 2_147_484 }, /`timeout` to be a number of seconds above 0 and up to 2147483, got `2147484`/],
    [{ max: 1.5 }, /whole number from 1 to 10000, got `1.5`/],
    [{ conObject: { max: 0 } }, /`max`/],
    [{ conObject: { max: 'many' } }, /`max`/],
    [{ isolate: 'no' }, /`isolate`/],
    [{ conString: '' }, /`conString`/],
    [{ conObject: 'x' }, /`conObject` to be an object/],
    [{ postgres: undefined }, /`postgres` to be a postgres.js instance, got `undefined` \(undefined\)/],
    [{ isolate: false }, /`postgres` to be given with `isolate: false`/],
    [{ tableName: Symbol('s') }, /got `Symbol\(s\)` \(symbol\)/],
    [{ tableName: `\0${'x'.repeat(100)}` }, /x…` \(string\)/],
  ]
  for (const [options, message] of wrong) assert.match(refused(options), message)
  assert.match(refused(null), /options to be an object, got `null`/)
  assert.match(refused('postgres://u:hush@h/d'), /options to be an object/)
})

test('a misplaced connection string is not repeated in the error, as it holds a password', () => {
  for (const options of [{ postgres: 'postgres://u:hush@h/d' }, { conObject: 'postgres://u:hush@h/d' }]) {
    assert.doesNotMatch(refused(options), /hush/)
  }
  assert.doesNotMatch(refused({ conString: 'http://u:hush@h/d' }), /hush/)
})

test('an unknown option is refused, with the list of those there are', () => {
  assert.match(
    refused({ tablename: 'x' }),
    /Unknown option `tablename`: the options are postgres,.* tableName,/,
  )
  assert.match(refused({ pgPool: 'x' }), /Unknown option `pgPool`/)
  assert.match(refused({ pruneInterval: 5 }), /the options are .*pruneSessionInterval,.* onConflict$/)
  assert.match(refused({ constructor: 5 }), /Unknown option `constructor`/)
})

test('pool and pgPromise are refused, with what to pass instead', () => {
  assert.match(refused({ pool: {} }), /`pool`.*`postgres`.*`conObject`/)
  assert.match(refused({ pgPromise: {} }), /`pgPromise`.*`postgres`/)
})

test('a transaction, a reserved connection, and what is no instance at all are refused', async () => {
  const sql = postgres({ host: '127.0.0.1', port: 1 })
  const base = Object.assign(() => {}, { unsafe() {}, begin() {}, end() {} })
  assert.match(
    refused({ postgres: Object.assign(() => {}, { unsafe() {}, savepoint() {} }) }),
    /a transaction/,
  )
  assert.match(
    refused({ postgres: Object.assign(() => {}, { unsafe() {}, release() {} }) }),
    /a reserved connection/,
  )
  assert.match(refused({ postgres: () => {} }), /a function without the methods/)
  assert.match(refused({ postgres: {} }), /a value of type object/)
  assert.match(refused({ postgres: base }), /cannot be read.*`isolate: false`/)
  assert.match(refused({ postgres: Object.assign(() => {}, { release() {} }), isolate: false }), /a reserved/)
  await sql.end()
})

test('isolate false is refused for an instance that changes text or rows', () => {
  const changing = [
    { transform: { row: (row: object) => row } },
    { transform: { value: (value: unknown) => String(value).toUpperCase() } },
    { types: { text: { to: 25, from: [25], serialize: (x: string) => `${x}!`, parse: (x: string) => x } } },
    { types: { text: { to: 25, from: [25], serialize: (x: string) => x, parse: (x: string) => `${x}!` } } },
  ]
  for (const options of changing) {
    const sql = postgres({ host: '127.0.0.1', port: 1, ...(options as object) })
    assert.match(refused({ postgres: sql, isolate: false }), /leave `isolate` at true/)
    void new Store({ postgres: sql }).close()
  }
  for (const options of [{}, { transform: postgres.camel }]) {
    const sql = postgres({ host: '127.0.0.1', port: 1, ...options })
    void new Store({ postgres: sql, isolate: false }).close()
  }
})

test('the factory takes express-session, { Store }, or { session }, and refuses what has no Store', () => {
  for (const given of [session, { Store: session.Store }, { session }]) {
    assert.ok(connectPostgresSimple(given).prototype instanceof session.Store)
  }
  for (const given of [undefined, null, {}, { Store: 5 }, () => {}, { session: {} }]) {
    assert.throws(() => connectPostgresSimple(given as any), /Expected express-session/)
  }
})
