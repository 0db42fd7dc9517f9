// Addresses and encryption in all their spellings, to the letter. No database.

import assert from 'node:assert/strict'
import { fileURLToPath } from 'node:url'
import { address } from '../../src/connection/address.ts'
import { promises } from '../support/promise.ts'

const test = promises('urls')

const of = (conString?: string, env: NodeJS.ProcessEnv = {}) =>
  address({ conString, conObject: undefined }, env)
const ofObject = (conObject: object, env: NodeJS.ProcessEnv = {}) =>
  address({ conString: undefined, conObject: conObject as Record<string, unknown> }, env)

test('what is not given is not passed on, so that the driver looks for it in the environment', () => {
  assert.deepEqual(of(), { connection: {} })
  assert.deepEqual(ofObject({}), { connection: {} })
  assert.deepEqual(of('postgres://h'), { connection: {}, host: ['h'], port: [5432] })
  assert.deepEqual(of('postgres:///d'), { connection: {}, database: 'd' })
  const falsy = { host: '', port: 0, user: null, password: '', database: undefined, statement_timeout: 0 }
  assert.deepEqual(ofObject(falsy), { connection: {} })
})

test('a time of 0 is none, also as a text', () => {
  for (const zero of [0, '0', '']) {
    const times = {
      connectionTimeoutMillis: zero,
      idleTimeoutMillis: zero,
      maxLifetimeSeconds: zero,
      keepAliveInitialDelayMillis: zero,
    }
    assert.deepEqual(ofObject(times), { connection: {} })
  }
  assert.equal('connect_timeout' in of('postgres://h/d?connect_timeout=0'), false)
})

test('the bounds of a port are those of TCP, of each of several hosts', () => {
  assert.deepEqual(ofObject({ port: 1 }).port, [1])
  assert.deepEqual(ofObject({ port: 65_535 }).port, [65_535])
  for (const port of [-1, '0', 65_536, 1.5]) {
    assert.throws(() => ofObject({ port }), /^TypeError: Expected the port of the server to be a number/)
  }
  assert.throws(() => of('postgres://one:1,two:70000/d'), /the port of the server/)
  assert.deepEqual(of('postgres://one:1,two/d', { PGPORT: '7' }).port, [1, 7])
})

test('each key of node-postgres is taken, with or without an effect', () => {
  const keys =
    'min maxUses allowExitOnIdle query_timeout client_encoding types binary Client Promise native log ' +
    'parseInputDatesAsUTC enableChannelBinding scramMaxIterations pipeline replication max poolSize ' +
    'sslcert sslkey sslrootcert keepalives target_session_attrs service pgbouncer prepareThreshold ' +
    'tcp_user_timeout min_protocol_version passfile keepalives_idle krbsrvname sslaccept supa schema ' +
    'keepalives_interval load_balance_hosts max_protocol_version require_auth requirepeer requiressl ' +
    'scram_client_key scram_server_key servicefile ssl_max_protocol_version ssl_min_protocol_version ' +
    'sslcertmode sslcompression sslcrl sslcrldir sslkeylogfile sslpassword sslsni uselibpqcompat ' +
    'sslidentity statement_cache_size workaround socket_timeout pool_timeout pool_mode endpoint encoding ' +
    'channel_binding db dbname gssdelegation gssencmode gsslib hostaddr keepalives_count connection_limit'
  for (const key of keys.split(' ')) assert.deepEqual(ofObject({ [key]: 1 }), { connection: {} }, key)
})

test('what is refused is refused with what to do instead', () => {
  const message = (make: () => unknown) => {
    try {
      make()
    } catch (error) {
      assert.ok(error instanceof TypeError)
      return error.message
    }
    throw new Error('expected a TypeError')
  }
  assert.equal(
    message(() => ofObject({ stream() {} })),
    '`conObject.stream` is not supported: pass a postgres.js instance with `socket` as `postgres`',
  )
  assert.equal(
    message(() => ofObject({ verify() {} })),
    '`conObject.verify` is not supported: the store has no client of node-postgres to give it',
  )
  assert.match(
    message(() => ofObject({ hostname: 'h' })),
    /, max, poolSize\. A URL, with any parameters, can be given as `connectionString`$/,
  )
  const url = 'such as postgres://user@host:5432/database'
  assert.equal(
    message(() => of('h:5432/d')),
    `Expected the connection string to be a URL ${url}`,
  )
  for (const hostless of ['postgres://u@:5432/d', 'postgres://u@h:x/d', 'postgres://u@one,/d']) {
    assert.equal(
      message(() => of(hostless)),
      `Expected a host in the connection string, ${url}`,
    )
  }
  assert.equal(
    message(() => of('postgres://u:%ff@h/d')),
    'Expected what the connection string escapes by % to be UTF-8',
  )
})

test('a URL is one from its first to its last character', () => {
  const wrong = [
    'xpostgres://h/d',
    ' postgres://h/d',
    'xsocket:/run?db=d',
    'postgres:/h/d',
    'postgres://h/d\n?x=\ny',
  ]
  for (const url of wrong) assert.throws(() => of(url), /to be a URL/, url)
  assert.throws(() => of('socket:/run?db=d\nx'), /to be a URL/)
})

test('a socket is found with and without a user, and its parameters are read', () => {
  const socket = { connection: {}, host: ['/run'], port: [5432], path: '/run/.s.PGSQL.5432' }
  assert.deepEqual(of('socket:/run'), socket)
  assert.deepEqual(of('socket:///run'), socket)
  assert.deepEqual(of('/run'), socket)
  assert.deepEqual(of('socket://u@/run'), { ...socket, user: 'u' })
  assert.deepEqual(of('socket:u:p@/run?db=d'), { ...socket, user: 'u', password: 'p', database: 'd' })
  assert.deepEqual(of('socket:/run?application_name=app').connection, { application_name: 'app' })
})

test('a percent sign that escapes nothing stands for itself, whatever follows it', () => {
  for (const [url, password] of [
    ['%', '%'],
    ['%4', '%4'],
    ['%4x', '%4x'],
    ['%zz', '%zz'],
    ['%41%', 'A%'],
    ['%4A%4a', 'JJ'],
  ] as const) {
    assert.equal(of(`postgres://u:${url}@h/d`).password, password)
  }
})

const root = fileURLToPath(import.meta.url)

test('each mode of encryption has its meaning, from a URL, an object and the environment', () => {
  const all = {
    disable: false,
    prefer: true,
    require: true,
    'verify-ca': true,
    'verify-full': true,
    'no-verify': { rejectUnauthorized: false },
  }
  for (const [mode, meaning] of Object.entries(all)) {
    assert.deepEqual(ofObject({ ssl: mode }).ssl, meaning, mode)
    assert.deepEqual(of(undefined, { PGSSLMODE: mode }).ssl, meaning, mode)
    assert.deepEqual(of(`postgres://h/d?ssl=${mode}`).ssl, meaning, mode)
  }
  for (const unset of ['allow', '', 'of_tomorrow', undefined])
    assert.equal('ssl' in of(undefined, { PGSSLMODE: unset }), false)
  assert.equal(ofObject({ ssl: 'allow' }).ssl, true)
  assert.deepEqual(of('postgres://h/d?ssl=1').ssl, true)
  assert.deepEqual(of('postgres://h/d?ssl=').ssl, false)
  assert.equal(of('postgres://h/d?sslmode=').ssl, undefined)
  assert.equal(of('postgres://h/d?sslmode=&sslnegotiation=direct').ssl, true)
  assert.throws(() => ofObject({ ssl: 'x' }), /or an object of options for node:tls$/)
})

test('in the words of libpq, a root certificate makes `require` verify the chain, and `prefer` never verifies', () => {
  const ssl = (query: string) => of(`postgres://h/d?uselibpqcompat=true&${query}`).ssl as any
  assert.deepEqual(ssl('sslmode=prefer'), { rejectUnauthorized: false })
  const { ca, rejectUnauthorized, checkServerIdentity } = ssl(`sslmode=require&sslrootcert=${root}`)
  assert.match(ca, /Addresses and encryption/)
  assert.deepEqual([rejectUnauthorized, checkServerIdentity()], [undefined, undefined])
  assert.deepEqual(Object.keys(ssl(`sslmode=prefer&sslrootcert=${root}`)), ['ca', 'rejectUnauthorized'])
  assert.deepEqual(Object.keys(ssl(`sslmode=verify-full&sslrootcert=${root}`)), ['ca'])
  assert.deepEqual(Object.keys(ssl(`sslmode=verify-ca&sslrootcert=${root}`)), ['ca', 'checkServerIdentity'])
  assert.throws(() => ssl('sslmode=verify-ca'), /else anybody with a certificate passes$/)
})
