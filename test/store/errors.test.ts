// What errors say, and what they must not: no sid, no session data, no parameter, no password, in any
// property.

import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { inspect } from 'node:util'
import postgres from 'postgres'
import { withoutData } from '../../src/errors.ts'
import { database, tableSql } from '../support/database.ts'
import { failure } from '../support/failure.ts'
import { port } from '../support/port.ts'
import { promises } from '../support/promise.ts'
import { Store, sessionOf, withStore } from '../support/store.ts'

const db = await database('errors')
await db.sql.unsafe(tableSql)
const test = promises('errors')

const SID = 'sid-hush-1234567890'
const SECRET = 'secret-hush'

/**
 * All of an error: own properties of any kind, those of its causes, its stack, and what loggers make of it.
 */
function everything(error: unknown, seen = new Set<unknown>()): string {
  if (typeof error !== 'object' || error === null || seen.has(error)) return String(error)
  seen.add(error)
  const parts = [inspect(error, { showHidden: true, depth: 10 }), JSON.stringify(error), String(error)]
  for (let object = error; object && object !== Object.prototype; object = Object.getPrototypeOf(object)) {
    for (const key of Reflect.ownKeys(object)) parts.push(String(key), everything((error as any)[key], seen))
  }
  return parts.join('\n')
}

const silent = (error: any, code: string | RegExp) => {
  assert.match(error.code, typeof code === 'string' ? new RegExp(`^${code}$`) : code)
  assert.ok(error instanceof Error)
  const text = everything(error)
  for (const word of [SID, SECRET, 'hush']) assert.ok(!text.includes(word), text)
}

test('errors of the server keep their SQLSTATE and hold no data, with debug on too', async () => {
  await db.sql`create schema broken`
  await db.sql.unsafe(`set search_path = broken; ${tableSql}; reset search_path`)
  await db.sql`
    create function broken.refuse() returns trigger language plpgsql as $$
    begin raise exception 'no % for %', new.sess, new.sid using detail = new.sess, hint = new.sid; end $$`
  await db.sql`create trigger refuse before insert on broken.session for each row execute procedure broken.refuse()`
  await db.sql`create schema checked`
  await db.sql.unsafe(`set search_path = checked; ${tableSql}; reset search_path`)
  await db.sql`alter table checked.session add constraint short check (length(sess::text) < 5)`
  const sql = postgres(db.url, { debug: true })
  const session = sessionOf({ secret: SECRET })
  for (const [options, code] of [
    [{ tableName: 'absent' }, '42P01'],
    [{ schemaName: 'broken' }, 'P0001'],
    [{ schemaName: 'checked' }, '23514'],
  ] as const) {
    await withStore({ postgres: sql, ...options }, async (store) => {
      silent(await failure(store.set(SID, session)), code)
    })
  }
  await withStore(
    { postgres: sql, serializer: { stringify: () => `{"${SECRET}`, parse: JSON.parse } },
    async (store) => {
      silent(await failure(store.set(SID, session)), '22P02')
    },
  )
  await sql.end()
})

test('errors of the store itself hold no data', async () => {
  const circular: any = sessionOf({ secret: SECRET })
  circular[SECRET] = circular
  await withStore({ conString: db.url }, async (store) => {
    silent(await failure(store.set(SID, circular)), 'STORE_SESSION')
    silent(await failure(store.get(`${SID}\0`)), 'STORE_SID')
    await db.sql`insert into session values (${SID}, '"secret-hush"', now() + interval '1 hour')`
    silent(await failure(store.get(SID)), 'STORE_SESSION')
    await db.sql`delete from session`
  })
})

/** Asks for the password whatever the server's own rules, and then lets through. */
const asking = () =>
  port((socket) => {
    socket.once('data', (startup) => {
      const { hostname, port: number, password } = new URL(db.url)
      socket.write(Buffer.from([0x52, 0, 0, 0, 8, 0, 0, 0, 3]))
      socket.once('data', (message) => {
        if (message.toString('utf8', 5, message.length - 1) !== decodeURIComponent(password)) {
          const fields = `SFATAL\0VFATAL\0C28P01\0Mpassword authentication failed\0\0`
          const head = Buffer.from([0x45, 0, 0, 0, fields.length + 4])
          return void socket.end(Buffer.concat([head, Buffer.from(fields)]))
        }
        const server = connect(Number(number), hostname).on('error', () => {})
        server.write(startup)
        socket.pipe(server).pipe(socket)
      })
    })
  })

test('errors of the connection hold no password', async () => {
  const gate = await asking()
  const url = new URL(db.url)
  url.password = SECRET
  url.port = String(gate.number)
  await withStore({ conString: url.href, timeout: 1 }, async (store) => {
    silent(await failure(store.get(SID)), '28P01')
  })
  await gate.close()
  url.port = '1'
  await withStore({ conString: url.href, timeout: 0.8 }, async (store) => {
    const error = await failure(store.get(SID))
    silent(error, 'STORE_TIMEOUT')
    assert.match(error.message, /ECONNREFUSED/)
  })
  url.hostname = 'does-not-exist.invalid'
  await withStore({ conString: url.href, timeout: 0.8 }, async (store) => {
    silent(await failure(store.get(SID)), /^(STORE_TIMEOUT|ENOTFOUND|EAI_AGAIN)$/)
  })
})

test('a password function that fails is tried again, and then an error of the operation, not the end of the process', async () => {
  const gate = await asking()
  const { pathname, username, password } = new URL(db.url)
  const address = { host: '127.0.0.1', port: gate.number, database: pathname.slice(1), user: username }
  let asked = 0
  const later = async () => {
    if (++asked < 3) throw new Error(SECRET)
    return decodeURIComponent(password)
  }
  await withStore({ conObject: { ...address, password: later } }, async (store) => {
    assert.equal(await store.get(SID), null)
    assert.ok(asked >= 3)
  })
  const never = () => {
    throw new Error(SECRET)
  }
  await withStore({ conObject: { ...address, password: never }, timeout: 0.8 }, async (store) => {
    const error = await failure(store.get(SID))
    silent(error, 'STORE_TIMEOUT')
    assert.match(error.message, /STORE_PASSWORD/)
  })
  await gate.close()
})

test('an error without any form becomes one with a code', () => {
  for (const [thrown, code] of [
    [undefined, 'unknown'],
    ['text hush', 'unknown'],
    [new TypeError('hush'), 'TypeError'],
    [Object.assign(new Error('hush'), { code: 'ERR_X' }), 'ERR_X'],
    [Object.assign(new Error('connect ENOENT hush'), { code: 'ENOENT', syscall: 'connect' }), 'ECONNREFUSED'],
    [Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET', syscall: 'read' }), 'ECONNRESET'],
  ] as const) {
    silent(withoutData(thrown), code)
  }
})

test('background errors hold no data either', async () => {
  const logged: unknown[] = []
  const store = new Store({
    conString: db.url,
    tableName: 'absent',
    pruneSessionInterval: 0.02,
    pruneSessionRandomizedInterval: false,
    errorLog: (...values) => logged.push(...values),
  })
  store.destroy(SID, undefined)
  while (logged.length < 4) await new Promise((resume) => setTimeout(resume, 10))
  await store.close()
  assert.ok(logged.includes('Failed to prune sessions'))
  for (const each of logged) assert.ok(!everything(each).includes('hush'))
})

test('no connection is left behind', () => db.drop())
