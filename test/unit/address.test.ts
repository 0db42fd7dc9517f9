// Where the store connects to, in the words of node-postgres. No database.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { inspect } from 'node:util'
import pg from 'pg'
import { parse, parseIntoClientConfig } from 'pg-connection-string'
import postgres from 'postgres'
import { address } from '../../src/connection/address.ts'
import { lentOptions } from '../../src/connection/driver.ts'
import { parseOptions } from '../../src/settings/settings.ts'
import { promises } from '../support/promise.ts'
import { Store } from '../support/store.ts'

const test = promises('address')

const of = (conString?: string, env: NodeJS.ProcessEnv = {}) =>
  address({ conString, conObject: undefined }, env)
const ofObject = (conObject: object, env: NodeJS.ProcessEnv = {}) =>
  address({ conString: 'postgres://ignored/ignored', conObject: conObject as Record<string, unknown> }, env)

test('a URL gives the same host, port, user, password and database as it gives node-postgres', () => {
  for (const url of [
    'postgres://ann:p%40ss%3Aword@db.example:6543/shop',
    'postgres://ann:100%sure@db.example/shop',
    'postgres://ann:50%@db.example/a%20b',
    'postgresql://ann@db.example/shop%2Ftwo',
    'postgres://db.example/caf%C3%A9',
    'postgres://db.example',
    'postgres://ann:secret@/shop?host=/var/run/postgresql',
    'postgres://ann:secret@%2Fvar%2Frun/shop',
    'postgres://ann:p@ss@word@db.example:6543/shop',
    'postgres://ann:p:ss:word@db.example:6543/shop',
    'postgres://ann@corp:secret@db.example:6543/shop',
    'postgres://ann@corp@db.example:6543/shop',
    'postgres://db.example:6543?user=ann@corp',
    'postgres://db.example/shop?user=ann&password=secret',
    '/var/run/postgresql shop',
    'socket:/var/run/postgresql?db=shop',
    'socket://ann:secret@/var/run/postgresql?db=shop',
    'socket://ann:p@ss@/var/run/postgresql?db=shop',
  ]) {
    const ours = of(url)
    const theirs = parse(url)
    assert.equal(ours.host?.[0], theirs.host || undefined, url)
    assert.equal(String(ours.port?.[0] ?? 5432), theirs.port || '5432', url)
    assert.equal(ours.user, theirs.user || undefined, url)
    assert.equal(ours.password, theirs.password || undefined, url)
    assert.equal(ours.database, theirs.database || undefined, url)
  }
})

test('a directory is the one of a Unix socket', () => {
  assert.equal(of('/var/run/postgresql shop').path, '/var/run/postgresql/.s.PGSQL.5432')
  assert.equal(ofObject({ host: '/run', port: 6000 }).path, '/run/.s.PGSQL.6000')
})

test('several hosts, and an IPv6 address, are understood', () => {
  const several = of('postgres://ann@one:1111,two,three:3333/shop')
  assert.deepEqual(several.host, ['one', 'two', 'three'])
  assert.deepEqual(several.port, [1111, 5432, 3333])
  assert.deepEqual(of('postgres://ann@[::1]:6000/shop').host, ['::1'])
})

test('parameters that are not PostgreSQL’s are not sent to the server', () => {
  const to = of(
    'postgres://h/d?pgbouncer=true&schema=x&application_name=app&options=-c%20geqo%3Doff&connect_timeout=3',
  )
  assert.deepEqual(to.connection, { application_name: 'app', options: '-c geqo=off' })
  assert.equal(to.connect_timeout, 3)
})

test('ssl means what it means to node-postgres: everything verifies but no-verify', () => {
  const ssl = (query: string) => of(`postgres://h/d?${query}`).ssl
  assert.equal(ssl(''), undefined)
  assert.equal(ssl('ssl=true'), true)
  assert.equal(ssl('ssl=0'), false)
  assert.equal(ssl('sslmode=disable'), false)
  for (const mode of ['prefer', 'require', 'verify-ca', 'verify-full'])
    assert.deepEqual(ssl(`sslmode=${mode}`), {})
  assert.deepEqual(ssl('sslmode=no-verify'), { rejectUnauthorized: false })
  assert.deepEqual(ssl('sslmode=require&uselibpqcompat=true'), { rejectUnauthorized: false })
  assert.deepEqual(ssl('sslmode=disable&uselibpqcompat=true'), false)
  const root = fileURLToPath(import.meta.url)
  const ca = ssl(`sslmode=verify-ca&uselibpqcompat=true&sslrootcert=${root}`) as {
    checkServerIdentity(): unknown
  }
  assert.equal(ca.checkServerIdentity(), undefined)
  // With a root certificate psql takes `require` for `verify-ca`.
  const required = ssl(`sslmode=require&uselibpqcompat=true&sslrootcert=${root}`) as typeof ca
  assert.deepEqual(Object.keys(required), ['ca', 'checkServerIdentity'])
  assert.equal(of('postgres://h/d', { PGSSLMODE: 'require' }).ssl, true)
  assert.equal(of('postgres://h/d?sslmode=disable', { PGSSLMODE: 'require' }).ssl, false)
})

test('certificates named in a URL are read', () => {
  const directory = mkdtempSync(join(tmpdir(), 'address-'))
  try {
    for (const name of ['cert', 'key', 'ca']) writeFileSync(join(directory, name), name)
    const query = `sslcert=${directory}/cert&sslkey=${directory}/key&sslrootcert=${directory}/ca`
    assert.deepEqual(of(`postgres://h/d?${query}`).ssl, { cert: 'cert', key: 'key', ca: 'ca' })
  } finally {
    rmSync(directory, { recursive: true })
  }
})

const SIGNED = { ca: 'ca', cert: 'cert', key: 'key' }

const encryption = (ssl: unknown) => (ssl === true ? {} : typeof ssl === 'object' ? { ...ssl } : ssl)

test('a pool’s options lead where the pool leads, with its password and its key', () => {
  for (const config of [
    { host: 'h', port: 6000, user: 'ann', password: 'hush', database: 'd', ssl: { ...SIGNED } },
    { host: 'h', user: 'ann', password: async () => 'later', database: 'd', max: 7 },
    { connectionString: 'postgres://ann:hush@h:6000/d?application_name=shop', ssl: { ...SIGNED } },
    { ...parse('postgres://ann:hush@h/d?sslmode=no-verify'), max: 3 },
  ] as any[]) {
    const { options } = new pg.Pool(config)
    const to = lentOptions(parseOptions({ conObject: options }))
    const theirs = new pg.Client(options) as any
    assert.deepEqual(
      [to.host[0], to.port[0], to['user'], to['pass'], to['database'], encryption(to['ssl'])],
      [
        theirs.host,
        theirs.port,
        theirs.user,
        theirs.password ?? '',
        theirs.database,
        config.ssl && 'key' in config.ssl ? SIGNED : encryption(theirs.connectionParameters.ssl),
      ],
    )
  }
  assert.equal(parseOptions({ conObject: new pg.Pool().options }).max, 10)
})

test('a URL that pg-connection-string has parsed means what it means to node-postgres', () => {
  const everything =
    'sslmode=verify-full&channel_binding=require&application_name=shop&options=-c%20geqo%3Doff' +
    '&pgbouncer=true&target_session_attrs=read-write&schema=public&connection_limit=5&gssencmode=disable' +
    '&connect_timeout=3&statement_timeout=5s&sslnegotiation=direct&keepalives=1&client_encoding=utf8'
  for (const url of [
    `postgres://ann:hush@db.example:6543/shop?${everything}`,
    'postgres://ann:hush@db.example/shop?uselibpqcompat=true&sslmode=require',
    'postgres://ann:hush@db.example/shop?ssl=true',
    'postgres://ann:hush@db.example/shop?ssl=no-verify',
    'postgres://ann@db.example?statement_timeout=0',
    'postgres://ann@db.example',
    'postgres://ann:hush@/shop?host=/var/run/postgresql',
    'socket://ann:hush@/var/run/postgresql?db=shop&encoding=utf8',
    '/var/run/postgresql shop',
  ]) {
    for (const given of [
      url,
      { connectionString: url },
      parse(url),
      { ...parse(url), max: '5' },
      parseIntoClientConfig(url),
      new pg.Pool(parse(url) as object).options,
    ]) {
      const options = typeof given === 'string' ? { conString: given } : { conObject: given }
      const ours = lentOptions(parseOptions(options)) as any
      const { connectionParameters: theirs } = new pg.Client(given as string) as any
      assert.deepEqual(
        [ours.host[0], ours.port[0], ours.database, ours.sslnegotiation ?? undefined, encryption(ours.ssl)],
        [theirs.host, theirs.port, theirs.database, theirs.sslnegotiation, encryption(theirs.ssl)],
        url,
      )
      if (url.includes('ann')) assert.equal(ours.user, theirs.user)
      assert.equal(ours.pass, theirs.password ?? '')
      const { application_name: name, options: flags, statement_timeout: timeout } = ours.connection
      assert.equal(name, theirs.application_name ?? 'connect-postgres-simple')
      assert.equal(flags, theirs.options)
      const sent = Number.parseInt(theirs.statement_timeout, 10)
      assert.equal(timeout, Number.isNaN(sent) ? undefined : String(sent))
    }
  }
  const unheardOf = parse('postgres://ann@h/d?of_tomorrow=1')
  assert.deepEqual(address({ conString: undefined, conObject: unheardOf }, {}).connection, {})
})

test('a certificate that cannot be read is a TypeError at once, which names the parameter and quotes no path', () => {
  for (const parameter of ['sslcert', 'sslkey', 'sslrootcert']) {
    for (const path of [`${tmpdir()}/-----BEGIN-SECRET`, `${tmpdir()}/with%00-SECRET`]) {
      const conString = `postgres://ann:pass-SECRET@h/d?${parameter}=${path}`
      assert.throws(
        () => new Store({ conString }),
        (error: Error) => {
          assert.ok(error instanceof TypeError)
          assert.match(error.message, new RegExp(`^Expected \`${parameter}\` to be the path of a file`))
          assert.doesNotMatch(inspect(error), /SECRET/)
          return true
        },
      )
    }
  }
})

test('a key of conObject means what it means to node-postgres, also as a text', () => {
  const to = ofObject({ port: '6000', max: '10', idleTimeoutMillis: '2000', ssl: 'no-verify' })
  assert.deepEqual([to.port, to.idle_timeout, to.ssl], [[6000], 2, { rejectUnauthorized: false }])
  assert.equal(parseOptions({ conObject: { max: '10' } }).max, 10)
  assert.equal(parseOptions({ conObject: { poolSize: 6 } }).max, 6)
  assert.equal(parseOptions({ conObject: { max: '' } }).max, 4)
  assert.equal(ofObject({ ssl: 'true' }).ssl, true)
  assert.equal(ofObject({ ssl: 'require' }).ssl, true, 'the driver would not verify')
  assert.equal(ofObject({ ssl: 'false' }).ssl, false)
  assert.equal(ofObject({ ssl: null }, { PGSSLMODE: 'require' }).ssl, false)
  assert.equal(ofObject({}, { PGSSLMODE: 'allow' }).ssl, undefined)
  assert.deepEqual(ofObject({ port: '', host: '', password: '', database: null }, { PGPORT: '7' }).port, [7])
  assert.equal(ofObject({ ssl: true, sslnegotiation: 'direct' }).sslnegotiation, 'direct')
  assert.equal(ofObject({ sslnegotiation: 'postgres' }).sslnegotiation, undefined)
  assert.equal(of('postgres://h/d?sslnegotiation=direct').ssl, true)
})

test('what would change its meaning without a word is a TypeError', () => {
  const wrong: [object, RegExp][] = [
    [{ ssl: 'perhaps' }, /Expected `ssl` to be true, false, no-verify/],
    [{ sslmode: 'require' }, /`conObject.sslmode` means nothing without a URL: say it by `ssl`/],
    [{ port: 'x' }, /the port of the server to be a number/],
    [{ host: 'h', port: 70_000 }, /the port of the server to be a number/],
    [{ sslnegotiation: 'direct' }, /`sslnegotiation` to be postgres, or with `ssl` direct/],
    [{ onConnect() {} }, /`conObject.onConnect` is not supported: .*`options`/],
    [{ verify() {} }, /`conObject.verify` is not supported/],
    [{ connectionString: 'postgres://h/d?sslmode=verify-ca&uselibpqcompat=true' }, /Expected `sslrootcert`/],
  ]
  for (const [conObject, message] of wrong) assert.throws(() => ofObject(conObject), message)
  ofObject({ onConnect: undefined })
})

test('connections carry the store’s name, unless the app has named them', async () => {
  const named = (options: object) => lentOptions(parseOptions(options))['connection'].application_name
  const instance = postgres('postgres://h/d')
  const other = postgres('postgres://h/d', { connection: { application_name: 'shop' } })
  const saved = process.env['PGAPPNAME']
  try {
    delete process.env['PGAPPNAME']
    for (const options of [{ postgres: instance }, { conString: 'postgres://h/d' }, { conObject: {} }])
      assert.equal(named(options), 'connect-postgres-simple')
    for (const options of [
      { postgres: other },
      { conString: 'postgres://h/d?application_name=shop' },
      { conString: 'postgres://h/d?fallback_application_name=shop' },
      { conObject: { application_name: 'shop', fallback_application_name: 'other' } },
    ])
      assert.equal(named(options), 'shop')
    process.env['PGAPPNAME'] = 'environment'
    assert.equal(named({ conString: 'postgres://h/d' }), 'environment')
    assert.equal(named({ conObject: { fallback_application_name: 'shop' } }), 'environment')
    assert.equal(named({ conObject: { application_name: 'shop' } }), 'shop')
  } finally {
    delete process.env['PGAPPNAME']
    if (saved !== undefined) process.env['PGAPPNAME'] = saved
    await Promise.all([instance.end(), other.end()])
  }
})

test('conObject wins over conString, and its connectionString over its other keys', () => {
  assert.deepEqual(ofObject({ host: 'mine' }).host, ['mine'])
  assert.deepEqual(ofObject({ host: 'mine', user: 'ann', connectionString: 'postgres://theirs/d' }).host, [
    'theirs',
  ])
  const both = {
    host: 'mine',
    user: 'ann',
    password: 'mine',
    database: 'mine',
    port: 1,
    application_name: 'mine',
  }
  assert.equal(ofObject({ ...both, connectionString: 'postgres://theirs/d' }).user, 'ann')
  const url = 'postgres://bob:theirs@theirs:2/theirs?application_name=theirs'
  assert.deepEqual(ofObject({ ...both, connectionString: url }), {
    ...{ host: ['theirs'], port: [2], user: 'bob', password: 'theirs', database: 'theirs' },
    connection: { application_name: 'theirs' },
  })
})

test('conObject’s keys become those of postgres.js', () => {
  const password = () => 'later'
  assert.deepEqual(
    ofObject({
      host: 'h',
      port: '6000',
      user: 'u',
      password,
      database: 'd',
      ssl: { ca: 'x' },
      connectionTimeoutMillis: 1500,
      idleTimeoutMillis: 2000,
      maxLifetimeSeconds: 60,
      keepAlive: false,
      keepAliveInitialDelayMillis: 3000,
      statement_timeout: 5000,
      lock_timeout: 0,
      fallback_application_name: 'fallback',
      max: 7,
      min: 1,
      types: {},
    }),
    {
      host: ['h'],
      port: [6000],
      user: 'u',
      password,
      database: 'd',
      ssl: { ca: 'x' },
      connect_timeout: 1.5,
      idle_timeout: 2,
      max_lifetime: 60,
      keep_alive: 0,
      connection: { statement_timeout: '5000', application_name: 'fallback' },
    },
  )
  assert.equal(parseOptions({ conObject: { max: 7 } }).max, 7)
  assert.equal(parseOptions({ conObject: { max: 7 }, max: 2 }).max, 2)
  assert.equal(ofObject({ keepAliveInitialDelayMillis: 3000 }).keep_alive, 3)
  assert.deepEqual(ofObject({ port: 6000 }).port, [6000])
})

test('an unknown key of conObject is a TypeError with the list of those there are', () => {
  assert.throws(() => ofObject({ hostname: 'x' }), /`hostname` in `conObject`: the keys are .* host, port,/)
  assert.throws(() => ofObject({ stream: () => {} }), /`conObject.stream` is not supported/)
})

test('what is no URL is a TypeError that does not repeat it', () => {
  for (const url of [
    'mysql://u:hush@h/d',
    'h:5432/d',
    'postgres://u:hush@:5432/d',
    'postgres://u:hush@h:x/d',
    'postgres://u:hush%ff@h/d',
  ]) {
    assert.throws(
      () => of(url),
      (error: Error) => error instanceof TypeError && !error.message.includes('hush'),
    )
  }
})

test('DATABASE_URL is used when nothing is given, and then the PG* variables', () => {
  assert.deepEqual(of(undefined, { DATABASE_URL: 'postgres://fromenv/d' }).host, ['fromenv'])
  assert.deepEqual(of('postgres://given/d', { DATABASE_URL: 'postgres://fromenv/d' }).host, ['given'])
  assert.deepEqual(of(undefined, { PGOPTIONS: '-c geqo=off', PGAPPNAME: 'app' }).connection, {
    options: '-c geqo=off',
    application_name: 'app',
  })
  assert.deepEqual(of('postgres://one,two:2/d', { PGPORT: '7' }).port, [7, 2])
  const saved = { ...process.env }
  try {
    delete process.env['DATABASE_URL']
    Object.assign(process.env, { PGHOST: 'pghost', PGPORT: '7777', PGUSER: 'pguser', PGDATABASE: 'pgdb' })
    const options = lentOptions(parseOptions())
    assert.deepEqual(
      [options.host, options.port, options['user'], options['database']],
      [['pghost'], [7777], 'pguser', 'pgdb'],
    )
  } finally {
    for (const name of ['PGHOST', 'PGPORT', 'PGUSER', 'PGDATABASE']) delete process.env[name]
    Object.assign(process.env, saved)
  }
})
