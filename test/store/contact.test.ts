// The first contact: what an app that used node-postgres has at hand leads to its database.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer as createTlsServer, TLSSocket } from 'node:tls'
import pg from 'pg'
import { parse } from 'pg-connection-string'
import postgres from 'postgres'
import { generate } from 'selfsigned'
import type { Options } from '../../src/options.ts'
import { database, tableSql } from '../support/database.ts'
import { failure } from '../support/failure.ts'
import { promises } from '../support/promise.ts'
import { sessionOf, withStore } from '../support/store.ts'

const db = await database('contact')
await db.sql.unsafe(tableSql)
const test = promises('contact')

const here = new URL(db.url)
const parts = {
  host: here.hostname,
  port: here.port,
  user: decodeURIComponent(here.username),
  password: decodeURIComponent(here.password),
  database: here.pathname.slice(1),
}
const { private: key, cert } = await generate([{ name: 'commonName', value: 'db' }], {
  extensions: [{ name: 'subjectAltName', altNames: [{ type: 7, ip: '127.0.0.1' }] }],
})
const tls = { key, cert, ALPNProtocols: ['postgresql'], requestCert: true, rejectUnauthorized: false }
let certificates = 0
/** Speaks to the server in the clear. */
function behind(secure: TLSSocket): void {
  const clear = connect(Number(here.port), here.hostname).on('error', () => {})
  secure.on('error', () => {}).pipe(clear)
  clear.pipe(secure)
}
const asked = createServer((socket) => {
  socket
    .on('error', () => {})
    .once('data', () => {
      socket.write('S')
      const secure = new TLSSocket(socket, { isServer: true, ...tls })
      secure.once('secure', () => {
        if (secure.getPeerCertificate().subject) certificates++
      })
      behind(secure)
    })
})
const direct = createTlsServer(tls, behind)
const listening = async (server: Server) => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { ...parts, host: '127.0.0.1', port: (server.address() as { port: number }).port }
}
const at = await listening(asked)

/** But for that of the driver, by which the test itself asks. */
const names = async () => {
  const rows = await db.sql`
    select distinct application_name as name from pg_stat_activity
    where datname = current_database() and application_name <> 'postgres.js'`
  return rows.map(({ name }) => name).sort()
}

test('a pool’s options, a parsed URL and a URL reach the database of the pool', async () => {
  const query =
    '?application_name=shop&channel_binding=prefer&pgbouncer=true&schema=public&connection_limit=5'
  for (const [i, options] of [
    { conObject: new pg.Pool({ ...parts, port: Number(parts.port), max: 2 }).options },
    { conObject: new pg.Pool({ connectionString: db.url }).options },
    { conObject: parse(db.url + query) },
    { conObject: { ...parse(db.url + query), max: '2' } },
    { conObject: { ...parts, max: '2', ssl: 'false' } },
    { conString: db.url + query },
  ].entries()) {
    await withStore(options, async (store) => {
      await store.set(`contact-${i}`, sessionOf())
      assert.deepEqual(await names(), [
        JSON.stringify(options).includes('shop') ? 'shop' : 'connect-postgres-simple',
      ])
    })
  }
  assert.equal((await db.sql`select from session where sid like 'contact-%'`).length, 6)
})

test('connections are the store’s by name, beside the app’s own, unless the app has named them', async () => {
  const sql = postgres(db.url, { max: 1 })
  const named = postgres(db.url, { max: 1, connection: { application_name: 'shop' } })
  await withStore({ postgres: sql }, async (store) => {
    await store.set('named', sessionOf())
    assert.deepEqual(await names(), ['connect-postgres-simple'])
    await withStore({ postgres: named }, async (other) => {
      await other.set('named', sessionOf())
      assert.deepEqual(await names(), ['connect-postgres-simple', 'shop'])
    })
  })
  await Promise.all([sql.end(), named.end()])
})

test('the certificate of a server is compared with its IP address, where that is its host', async () => {
  await withStore({ conObject: { ...at, ssl: { ca: cert } } }, (store) => store.length())
  await withStore({ conObject: { ...at, host: 'localhost', ssl: { ca: cert } } }, async (store) => {
    assert.equal((await failure(store.length())).code, 'ERR_TLS_CERT_ALTNAME_INVALID')
  })
})

test('the key of a client certificate is presented, also out of a pool that hides it', async () => {
  const { options } = new pg.Pool({ ...at, ssl: { ca: cert, cert, key } })
  await withStore({ conObject: options }, (store) => store.length())
  assert.ok(certificates > 0)
})

test('sslnegotiation=direct encrypts from the first byte', async () => {
  const conObject = { ...(await listening(direct)), ssl: { ca: cert }, sslnegotiation: 'direct' }
  await withStore({ conObject }, (store) => store.length())
})

test('a URL means to `postgres()` and to `conString` what docs/connections.md says of each', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'contact-'))
  writeFileSync(join(directory, 'ca.pem'), cert)
  const socket = createServer((from) => {
    const clear = connect(Number(here.port), here.hostname).on('error', () => {})
    from
      .on('error', () => {})
      .pipe(clear)
      .pipe(from)
  })
  await new Promise<void>((resolve) => socket.listen(join(directory, '.s.PGSQL.5432'), resolve))
  const login = `${here.username}:${here.password}@`
  const encrypted = `postgres://${login}127.0.0.1:${at.port}${here.pathname}`
  const plain = `postgres://${login}${here.host}${here.pathname}`
  const outcome = async (options: () => Options) => {
    try {
      return await withStore({ timeout: 5, ...options() }, (store) => store.length().then(() => 'works'))
    } catch (error: any) {
      return error.code ?? error.name
    }
  }
  const unverified = 'DEPTH_ZERO_SELF_SIGNED_CERT'
  for (const [url, asConString, asInstance] of [
    [`${encrypted}?sslmode=require`, unverified, 'works'],
    [`${encrypted}?sslmode=prefer`, unverified, 'works'],
    [`${encrypted}?sslmode=verify-full`, unverified, unverified],
    [`${encrypted}?sslmode=no-verify`, 'works', unverified],
    [`${encrypted}?ssl=no-verify`, 'works', unverified],
    [`${encrypted}?sslmode=verify-full&sslrootcert=${directory}/ca.pem`, 'works', unverified],
    [`${plain}?sslmode=disable`, 'works', 'works'],
    ...[
      'channel_binding=prefer',
      'gssencmode=disable',
      'pgbouncer=true',
      'schema=public',
      'connection_limit=5',
    ].map((parameter) => [`${plain}?${parameter}`, 'works', '42704'] as const),
    [`${plain}?search_path=app`, 'works', '42P01'],
    [`postgres://${login}/${parts.database}?host=${directory}`, 'works', 'ERR_INVALID_URL'],
  ] as const) {
    assert.equal(await outcome(() => ({ conString: url })), asConString, url)
    assert.equal(await outcome(() => ({ postgres: postgres(url) })), asInstance, url)
  }
  socket.close()
  rmSync(directory, { recursive: true })
})

test('no connection is left behind', async () => {
  asked.close()
  direct.close()
  await db.drop()
})
