// TLS, in front of the database: verified unless told otherwise, and no hindrance to the end of the process.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { TLSSocket, type TLSSocketOptions, connect as tlsConnect } from 'node:tls'
import postgres from 'postgres'
import { generate } from 'selfsigned'
import { database, tableSql } from '../support/database.ts'
import { failure } from '../support/failure.ts'
import { port } from '../support/port.ts'
import { script } from '../support/processes.ts'
import { promises } from '../support/promise.ts'
import { putRow, sessionOf, withStore } from '../support/store.ts'

const db = await database('tls')
await db.sql.unsafe(tableSql)
const pair = (altNames: object[]) =>
  generate([{ name: 'commonName', value: 'database' }], {
    extensions: [{ name: 'subjectAltName', altNames }],
  } as object)
const { private: key, cert } = await pair([{ type: 2, value: 'localhost' }])
const ofAddress = await pair([{ type: 7, ip: '127.0.0.1' }])
const ofClient = await pair([{ type: 2, value: 'client' }])
const test = promises('tls')
await putRow(db.sql, 'a', {})

const target = new URL(db.url)
let encrypted = 0
/** Answers the request for encryption, if there is one, and speaks to the server in the clear. */
const front = (options: TLSSocketOptions) =>
  port((socket) => {
    const begin = () => {
      const secure = new TLSSocket(socket, { isServer: true, ...options }).on('error', () => {})
      secure.once('secure', () => {
        encrypted++
        // What `tls.createServer` does with who has no certificate that is known.
        if (options.requestCert && (secure as any).ssl.verifyError()) secure.destroy()
      })
      const behind = connect(Number(target.port), target.hostname).on('error', () => {})
      secure.pipe(behind).pipe(secure)
      secure.on('close', () => behind.destroy())
    }
    socket.once('readable', () => {
      const [first] = (socket.read(1) ?? []) as Buffer
      // Of a TLS handshake, which begins without a request.
      if (first === 22) {
        socket.unshift(Buffer.from([22]))
        return begin()
      }
      socket.once('readable', () => socket.read())
      socket.read()
      socket.write('S')
      begin()
    })
  })
const server = await front({ key, cert })
const url = (query: string, at = server, hostname = 'localhost') => {
  const through = new URL(db.url)
  through.port = String(at.number)
  through.hostname = hostname
  through.search = query
  return through.href
}
const directory = mkdtempSync(join(tmpdir(), 'tls-'))
const file = (name: string, text: string) => {
  writeFileSync(join(directory, name), text)
  return join(directory, name)
}
file('ca.pem', cert)
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

test('a certificate is for the name or the address that the store connects to, and for no other', async () => {
  const byAddress = await front({ key: ofAddress.private, cert: ofAddress.cert })
  const ca = file('address.pem', ofAddress.cert)
  const errorLog = () => {}
  const conString = url(`?sslmode=verify-full&sslrootcert=${ca}`, byAddress, '127.0.0.1')
  await withStore({ conString }, async (store) => assert.equal(await store.get('nobody'), null))
  for (const [at, hostname, name] of [
    [byAddress, 'localhost', ca],
    [server, '127.0.0.1', join(directory, 'ca.pem')],
  ] as const) {
    const other = url(`?sslmode=verify-full&sslrootcert=${name}`, at, hostname)
    await withStore({ conString: other, errorLog }, async (store) => {
      const error = await failure(store.get('a'))
      assert.equal(error.code, 'ERR_TLS_CERT_ALTNAME_INVALID')
      assert.match(error.message, new RegExp(`TLS .* failed: .*host ${hostname}, port ${at.number}`))
    })
  }
  await byAddress.close()
})

test('a server that wants a certificate gets the one that was given', async () => {
  const wanting = await front({ key, cert, requestCert: true, ca: ofClient.cert })
  const mine = `sslcert=${file('c.pem', ofClient.cert)}&sslkey=${file('k.pem', ofClient.private)}`
  const ca = `sslmode=verify-full&sslrootcert=${join(directory, 'ca.pem')}`
  await withStore({ conString: url(`?${ca}&${mine}`, wanting) }, async (store) => {
    assert.equal(await store.get('nobody'), null)
  })
  await withStore({ conString: url(`?${ca}`, wanting), timeout: 0.8, errorLog() {} }, async (store) => {
    assert.ok(await failure(store.get('a')))
  })
  await wanting.close()
})

test('TLS begins without being asked for where an instance says so', async () => {
  const sql = postgres(url(''), { ssl: 'require', sslnegotiation: 'direct' } as object)
  await withStore({ postgres: sql }, async (store) => assert.ok(await store.get('a')))
  await sql.end()
})

test('a socket that the app has encrypted itself is used, and given up like any other', async () => {
  let asked = 0
  const socket = async () => {
    asked++
    const tcp = connect(server.number, '127.0.0.1')
    const secure = tlsConnect({ socket: tcp, rejectUnauthorized: false })
    await new Promise((resolve) => secure.once('secureConnect', resolve))
    return secure
  }
  const sql = postgres(db.url, { socket } as object)
  await withStore({ postgres: sql, timeout: 1.5, max: 1 }, async (store) => {
    assert.ok(await store.get('a'))
    await db.sql.begin(async (holder) => {
      await holder`lock table session in access exclusive mode`
      assert.equal((await failure(store.get('a'))).code, 'STORE_TIMEOUT')
    })
    assert.ok(await store.get('a'))
    assert.equal(asked, 2)
  })
  await sql.end()
})

test('a connection that was given up is reset under TLS too, so that what it still holds never arrives', async () => {
  const ends: (string | undefined)[] = []
  const silent = await port((socket) => {
    socket.once('data', () => {
      socket.write('S')
      const secure = new TLSSocket(socket, { isServer: true, key, cert })
      secure
        .on('error', (error: NodeJS.ErrnoException) => ends.push(error.code))
        .on('end', () => ends.push('end'))
      secure.resume()
    })
  })
  const conString = url('?sslmode=no-verify', silent)
  await withStore({ conString, timeout: 1.5, errorLog() {} }, async (store) => {
    assert.equal((await failure(store.get('a'))).code, 'STORE_TIMEOUT')
    while (ends.length === 0) await new Promise((resume) => setTimeout(resume, 10))
  })
  assert.deepEqual(ends, ['ECONNRESET'])
  await silent.close()
})

test('a key that is none is an error of the operation, which does not show it', () =>
  withStore(
    { conObject: { connectionString: url(''), ssl: { key: 'hush', cert } }, errorLog() {} },
    async (store) => {
      const error = await failure(store.get('a'))
      assert.match(error.code, /^ERR_/)
      assert.doesNotMatch(error.message, /hush/)
    },
  ))

test('the process exits by itself when only idle encrypted connections are left', async () => {
  const { code, signal, output } = await script('exiting-app', { MODE: 'timer', URL_OF_TEST: trusted }).ended(
    15,
  )
  assert.deepEqual([code, signal], [0, null], output)
  assert.ok(Number(/left alone for (\d+)/.exec(output)?.[1]) < 5000, output)
})

test('bytes that change on an encrypted connection are a connection that is lost: nobody is told', async () => {
  let garbles = false
  const between = await port((socket) => {
    const behind = connect(server.number, '127.0.0.1').on('error', () => {})
    socket.on('data', (data) => behind.write(data)).on('close', () => behind.destroy())
    behind.on('close', () => socket.destroy())
    behind.on('data', (data) => {
      if (garbles) data[data.length - 1] = (data.at(-1) ?? 0) ^ 1
      garbles = false
      socket.write(data)
    })
  })
  const conString = trusted.replace(`:${server.number}/`, `:${between.number}/`)
  await withStore({ conString, max: 2 }, async (store) => {
    for (let round = 0; round < 5; round++) {
      assert.ok(await store.get('a'))
      garbles = true
      assert.ok(await store.get('a'))
    }
  })
  await between.close()
})

test('of two hosts the second is asked where the first has a certificate that nobody vouches for', async () => {
  const strange = await front({ key: ofClient.private, cert: ofClient.cert })
  const both = trusted.replace(
    `localhost:${server.number}`,
    `localhost:${strange.number},localhost:${server.number}`,
  )
  await withStore({ conString: both }, async (store) => {
    const all = await Promise.all(Array.from({ length: 20 }, () => store.get('a')))
    assert.ok(all.every((each) => each))
  })
  const none = trusted.replace(
    `localhost:${server.number}`,
    `localhost:${strange.number},localhost:${strange.number}`,
  )
  await withStore({ conString: none, errorLog() {} }, async (store) => {
    assert.match((await failure(store.get('a'))).code, /CERT|SELF_SIGNED/)
  })
  await strange.close()
})

test('no connection is left behind', async () => {
  await server.close()
  rmSync(directory, { recursive: true })
  await db.drop()
})
