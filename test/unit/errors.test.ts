// What errors say, and what they keep to themselves. No database.

import assert from 'node:assert/strict'
import {
  addressOf,
  busy,
  ConnectionError,
  closed,
  codeOf,
  conflict,
  isRaisedByFunction,
  kept,
  mismatch,
  noPassword,
  noUserIndex,
  rowLocked,
  StoreError,
  serverInWords,
  severityOf,
  sidRefused,
  timedOut,
  withoutData,
} from '../../src/errors.ts'
import { promises } from '../support/promise.ts'

const test = promises('errors')

const server = { host: 'db.example', port: 5432, database: 'shop' }

/** An error as postgres.js 3.4.9 makes it of what the server says. */
const ofTheServer = (code: string, more: object = {}) =>
  Object.assign(new Error('as the server says'), {
    ...{ code, severity: 'ERROR', severity_local: 'FEHLER', query: 'select 1', parameters: ['hush'] },
    ...more,
  })

const tell = (error: StoreError) => [error.code, error.message]

test('each error of the store has its code, and says in a sentence what happened', () => {
  const all: [StoreError, string, RegExp][] = [
    [rowLocked(), '55P03', /^Somebody else holds a lock on the row$/],
    [conflict(), 'STORE_CONFLICT', /^The session was changed by another request since this one loaded it$/],
    [busy(), 'STORE_BUSY', /^Too many operations are waiting for PostgreSQL already$/],
    [mismatch(), 'STORE_MISMATCH', /^The driver gave rows that were not asked for; none of them was used$/],
    [noUserIndex(), '0A000', /needs a column "sess" of type json or jsonb, or PostgreSQL 16 or later$/],
    [kept(), 'STORE_KEPT', /^A trigger, a rule or a policy of the table keeps expired rows$/],
    [closed(), 'STORE_CLOSED', /^The store is closed: no operation can be started after close\(\)$/],
    [timedOut(), 'STORE_TIMEOUT', /^PostgreSQL did not answer within the store's `timeout`$/],
  ]
  for (const [error, code, message] of all) {
    assert.ok(error instanceof StoreError && error instanceof Error)
    assert.equal(error.name, 'StoreError')
    assert.equal(codeOf(error), code)
    assert.match(error.message, message)
    assert.deepEqual(Object.keys(error).sort(), ['code', 'name'])
  }
})

test('an error for the time that is over names what the last attempt failed with', () => {
  assert.equal(
    timedOut(new StoreError('57P03', 'the server is starting')).message,
    "PostgreSQL did not answer within the store's `timeout`; the last attempt failed with 57P03: the server is starting",
  )
  const late = timedOut()
  assert.equal(timedOut(late), late, 'that it was given up as well says no more')
})

test('a server is named by its socket, or by host and port, and with its database', () => {
  assert.equal(serverInWords(undefined), '')
  assert.equal(serverInWords(server), ' (host db.example, port 5432, database shop)')
  assert.equal(
    serverInWords({ ...server, path: '/run/.s.PGSQL.5432' }),
    ' (socket /run/.s.PGSQL.5432, database shop)',
  )
  assert.equal(addressOf(server), 'db.example:5432')
  assert.equal(addressOf({ ...server, path: '/run/.s.PGSQL.5432' }), '/run/.s.PGSQL.5432')
})

test('what stands before an @ in a host or a database is never told: it may be a password', () => {
  const leaky = { host: 'u:hu\nsh@u:hush@db.example', port: 5432, database: 'hush@shop' }
  assert.equal(serverInWords(leaky), ' (host db.example, port 5432, database shop)')
  assert.equal(addressOf(leaky), 'db.example:5432')
})

test('an error of the server keeps its code, its severity and a harmless message, and nothing else', () => {
  const error = withoutData(ofTheServer('42501'), server)
  assert.deepEqual(tell(error), ['42501', 'as the server says [SQLSTATE 42501]'])
  assert.deepEqual(
    { ...error },
    { name: 'StoreError', code: '42501', severity: 'ERROR' },
    'neither statement nor parameters',
  )
})

test('a message that can hold data is replaced', () => {
  for (const code of ['22P02', '23505', 'P0001', 'undefined']) {
    assert.equal(
      withoutData(ofTheServer(code)).message,
      `PostgreSQL refused the statement [SQLSTATE ${code}]`,
    )
  }
  const where = 'PL/pgSQL function f() line 3 at RAISE'
  const raised = withoutData(ofTheServer('42501', { where }))
  assert.equal(raised.message, 'PostgreSQL refused the statement [SQLSTATE 42501]')
  assert.equal(raised.isFromFunction, true)
})

test('an error is a function’s if the server says that one was at work, and stays so', () => {
  for (const where of [
    ...[
      'PL/pgSQL function f() line 3',
      'SQL function "f" statement 1',
      'PL/pgSQL-Funktion f() Zeile 3 bei RAISE',
    ],
    ...['fonction PL/pgSQL f(), ligne 3 à RAISE', 'PL/pgSQL関数f()の3行目'],
  ])
    assert.equal(isRaisedByFunction({ where }), true, where)
  assert.equal(isRaisedByFunction({ where: 'dysfunctional' }), false)
  for (const where of [
    'SQL statement "SELECT 1 FROM ONLY "public"."session" x WHERE "sid" = $1 FOR KEY SHARE OF x"',
    'remote SQL command: DELETE FROM public.session',
  ])
    assert.equal(isRaisedByFunction({ where }), false, where)
  const parameters = "unnamed portal with parameters: $1 = 'a function of SQL', $2 = 'PL/pgSQL'"
  assert.equal(isRaisedByFunction({ where: parameters }), false)
  assert.equal(isRaisedByFunction({ where: `SQL function "f" statement 1\n${parameters}` }), true)
  assert.equal(isRaisedByFunction({}), false)
  assert.equal(isRaisedByFunction({ isFromFunction: true }), true)
  assert.equal(isRaisedByFunction({ isFromFunction: false }), false)
  assert.equal(
    isRaisedByFunction(withoutData(ofTheServer('23505', { where: 'SQL function "f" statement 1' }))),
    true,
  )
  assert.equal(isRaisedByFunction(withoutData(ofTheServer('23505'))), false)
})

test('a missing table is an error that says how to create it', () => {
  assert.equal(
    withoutData(ofTheServer('42P01')).message,
    'as the server says (run table.sql, or pass `createTableIfMissing: true`) [SQLSTATE 42P01]',
  )
})

test('a severity that is said once counts, unless it is in another language', () => {
  for (const said of ['ERROR', 'FATAL', 'PANIC']) {
    assert.equal(severityOf({ severity_local: said }), said)
    assert.equal(withoutData({ severity_local: said, code: '08P01', message: '' }).severity, said)
  }
  assert.equal(severityOf({ severity: 'FATAL', severity_local: 'SCHWERWIEGEND' }), 'FATAL')
  for (const none of ['FEHLER', 'ERRORS', undefined])
    assert.equal(severityOf({ severity_local: none }), undefined)
})

test('the server is named where it ended the connection, and not where it refused a statement', () => {
  const fatal = withoutData(ofTheServer('57P03', { severity: 'FATAL' }), server)
  assert.equal(
    fatal.message,
    'as the server says [SQLSTATE 57P03] (host db.example, port 5432, database shop)',
  )
  assert.equal(fatal.severity, 'FATAL')
  const old = withoutData(ofTheServer('57P03', { severity: undefined }), server)
  assert.deepEqual(
    { ...old },
    { name: 'StoreError', code: '57P03' },
    'a server before 9.6 does not say its severity',
  )
})

test('an error of the network is told by its code and its call, without its message', () => {
  const refused = Object.assign(new Error('connect hush'), { code: 'ECONNREFUSED', syscall: 'connect' })
  assert.deepEqual(tell(withoutData(refused, server)), [
    'ECONNREFUSED',
    'The connection to PostgreSQL failed [connect ECONNREFUSED] (host db.example, port 5432, database shop)',
  ])
  assert.deepEqual(tell(withoutData(Object.assign(new Error('hush'), { code: 'CONNECTION_CLOSED' }))), [
    'CONNECTION_CLOSED',
    'The connection to PostgreSQL failed [CONNECTION_CLOSED]',
  ])
  assert.equal(withoutData(new TypeError('hush')).code, 'TypeError')
  assert.equal(withoutData(undefined).code, 'unknown')
})

test('a missing socket is no ENOENT, which express-session would take for "no such session"', () => {
  const missing = Object.assign(new Error('hush'), { code: 'ENOENT', syscall: 'connect' })
  assert.deepEqual(tell(withoutData(missing, { ...server, path: '/run/x' })), [
    'ECONNREFUSED',
    'Nobody listens at the socket of PostgreSQL (socket /run/x, database shop)',
  ])
})

test('an error of the store keeps its code and its words, and says which server it was', () => {
  for (const error of [new StoreError('STORE_TLS', 'why'), new ConnectionError('STORE_TLS', 'why')]) {
    assert.deepEqual(tell(withoutData(error)), ['STORE_TLS', 'why'])
    assert.deepEqual(tell(withoutData(error, server)), [
      'STORE_TLS',
      'why (host db.example, port 5432, database shop)',
    ])
  }
})

test('why a password could not be had is told by name and code, unless they could be the password', () => {
  const messageFor = (reason: unknown) => {
    const error = noPassword(reason)
    assert.equal(error.code, 'STORE_PASSWORD')
    assert.ok(error instanceof ConnectionError)
    return error.message
  }
  const said = 'The function that gives the password failed'
  assert.equal(
    messageFor(Object.assign(new RangeError('hush'), { code: 'E_VAULT-1.2' })),
    `${said}: RangeError E_VAULT-1.2`,
  )
  assert.equal(messageFor(new Error('hush')), `${said}: Error`)
  for (const name of ['hush hush', 'hush\n', '\nhush', '', 'x'.repeat(61), 5]) {
    assert.equal(messageFor(Object.assign(new Error('hush'), { name })), said, String(name))
  }
  assert.equal(
    messageFor(Object.assign(new Error('hush'), { name: 'x'.repeat(60) })),
    `${said}: ${'x'.repeat(60)}`,
  )
  for (const thrown of ['hush', undefined, { name: 'hush', code: 'hush' }]) {
    assert.equal(messageFor(thrown), said)
  }
})

test('a sid that its column refuses is told with the type of the column and what to do', () => {
  const invalid = sidRefused(new StoreError('22P02', 'hush', { severity: 'ERROR' }), 'uuid')
  assert.equal(
    invalid.message,
    'The column "sid" is of type uuid; PostgreSQL refused a value, perhaps the sid: sids must be of that type ' +
      '(`genid` of express-session makes them) [SQLSTATE 22P02]',
  )
  assert.deepEqual({ ...invalid }, { name: 'StoreError', code: '22P02', severity: 'ERROR' })
  const other = sidRefused(new StoreError('42883', 'hush'), 'pg_catalog."bytea"')
  assert.equal(
    other.message,
    'The column "sid" is of type bytea; rows cannot be found by values of that type: use varchar or text, ' +
      'as table.sql does [SQLSTATE 42883]',
  )
  assert.deepEqual({ ...other }, { name: 'StoreError', code: '42883' })
})
