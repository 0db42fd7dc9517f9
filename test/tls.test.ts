// TLS, in front of the database: verified unless told otherwise, and no hindrance to the end of the process.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { TLSSocket } from 'node:tls'
import { generate } from 'selfsigned'
import { database, tableSql } from './support/database.ts'
import { failure } from './support/failure.ts'
import { script } from './support/processes.ts'
import { promises } from './support/promise.ts'
import { sessionOf, withStore } from './support/store.ts'

const db = await database('tls')
await db.sql.unsafe(tableSql)
const { private: key, cert } = await generate([{ name: 'commonName', value: 'localhost' }], {
  extensions: [{ name: 'subjectAltName', altNames: [{ type: 2, value: 'localhost' }] }],
})
const test = promises('tls')

const target = new URL(db.url)
let encrypted = 0
/** Answers the request for encryption, and speaks to the server in the clear. */
const server = createServer((socket) => {
  socket.on('error', () => {})
  socket.once('data', () => {
    socket.write('S')
    const secure = new TLSSocket(socket, { isServer: true, key, cert }).on('error', () => {})
    secure.once('secure', () => encrypted++)
    const behind = connect(Number(target.port), target.hostname).on('error', () => {})
    secure.pipe(behind).pipe(secure)
  })
})
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
const url = (query: string) => {
  const through = new URL(db.url)
  through.port = String((server.address() as { port: number }).port)
  through.hostname = 'localhost'
  through.search = query
  return through.href
}
const directory = mkdtempSync(join(tmpdir(), 'tls-'))
writeFileSync(join(directory, 'ca.pem'), cert)
const trusted = url(`?sslmode=verify-full&sslrootcert=${join(directory, 'ca.pem')}`)

test('sslmode=no-verify encrypts, and takes any certificate', () =>
  withStore({ conString: url('?sslmode=no-verify') }, async (store) => {
    const before = encrypted
    await store.set('a', sessionOf())
    assert.ok(await store.get('a'))
    assert.ok(encrypted > before)
  }))

test('sslmode=require refuses a certificate that nobody vouches for, at once', () =>
  withStore({ conString: url('?sslmode=require') }, async (store) => {
    assert.equal((await failure(store.get('a'))).code, 'DEPTH_ZERO_SELF_SIGNED_CERT')
  }))

test('sslrootcert names who vouches for it', () =>
  withStore({ conString: trusted }, async (store) => {
    assert.ok(await store.get('a'))
  }))

test('the process exits by itself when only idle encrypted connections are left', async () => {
  const { code, signal, output } = await script('exiting-app', { MODE: 'timer', URL_OF_TEST: trusted }).ended(
    15,
  )
  assert.deepEqual([code, signal], [0, null], output)
  assert.ok(Number(/left alone for (\d+)/.exec(output)?.[1]) < 5000, output)
})

test('no connection is left behind', async () => {
  server.close()
  rmSync(directory, { recursive: true })
  await db.drop()
})
