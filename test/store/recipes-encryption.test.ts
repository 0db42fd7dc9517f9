// docs/encryption.md: its serializer, script and SQL, as they stand there.

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import type { Options, Serializer } from '../../src/index.ts'
import { database, tableSql } from '../support/database.ts'
import { failure } from '../support/failure.ts'
import { incumbent } from '../support/incumbent.ts'
import { codeIn } from '../support/paper.ts'
import { promises } from '../support/promise.ts'
import { endless, row, Store, sessionOf, withStore } from '../support/store.ts'

const db = await database('recipes_encryption')
await db.sql.unsafe(tableSql)
const test = promises('recipes: encryption')
const PAPER = 'docs/encryption.md'
const keys = [1, 2].map(() => randomBytes(32).toString('base64'))
let loads = 0

/** The module of the paper in a process with these variables. */
async function serializerWith(variables: Record<string, string>): Promise<Serializer> {
  const names = ['SESSION_KEY', 'SESSION_KEY_1', 'SESSION_KEY_2']
  for (const name of names) delete process.env[name]
  Object.assign(process.env, variables)
  const code = encodeURIComponent(codeIn(PAPER, 'createCipheriv'))
  return (await import(`data:text/javascript,${code}#${++loads}`)).serializer
}

/** The script of the paper. */
async function writeAnew(serializer: Serializer, options: Options = {}): Promise<void> {
  const Script = async () => {}
  const AsyncFunction = Script.constructor as FunctionConstructor
  const script = AsyncFunction('PostgresStore', 'conString', 'serializer', codeIn(PAPER, 'for await'))
  const WithOptions = class extends Store {
    constructor(given: Options) {
      super({ ...given, ...options })
    }
  }
  await script(WithOptions, db.url, serializer)
}

const counts = async () =>
  Object.fromEntries(
    (await db.sql.unsafe(codeIn(PAPER, 'group by', 'sql'))).map(({ key, count }) => [key, Number(count)]),
  )
const first = { SESSION_KEY: '1', SESSION_KEY_1: keys[0] as string }
const second = { SESSION_KEY: '2', SESSION_KEY_1: keys[0] as string, SESSION_KEY_2: keys[1] as string }

test('what is stored is encrypted, and rows from before, also of connect-pg-simple, are read', async () => {
  await db.sql`truncate session`
  const beside = incumbent(db.url)
  await beside.set('old', sessionOf({ user: 'user-ann' }))
  await beside.close()
  const serializer = await serializerWith(first)
  await withStore({ conString: db.url, serializer }, async (store) => {
    const old = (await store.get('old')) as any
    assert.equal(old.user, 'user-ann')
    assert.deepEqual(await counts(), { none: 1 })
    await store.set('old', Object.assign(old, { n: 1 }))
    await store.set('new', sessionOf({ user: 'user-bob' }))
    for (const sid of ['old', 'new']) assert.doesNotMatch((await row(db.sql, sid)).text, /user-|"cookie"/)
    assert.deepEqual(await counts(), { 1: 2 })
    assert.deepEqual(
      [((await store.get('old')) as any).n, ((await store.get('new')) as any).user],
      [1, 'user-bob'],
    )
  })
})

test('while it begins, a process that only reads encrypted rows writes plain ones', async () => {
  const serializer = await serializerWith(first)
  const sealed = await serializer.stringify(sessionOf({ user: 'bob' }))
  await withStore(
    { conString: db.url, serializer: { ...serializer, stringify: JSON.stringify } },
    async (store) => {
      await store.set('begun', sessionOf({ user: 'ann' }))
      assert.equal((await row(db.sql, 'begun')).user, 'ann')
      await db.sql`
      update session set sess = ${sealed}::text::json where sid = 'begun'`
      assert.equal(((await store.get('begun')) as any).user, 'bob')
    },
  )
})

test('the key changes while users stay logged in: old rows are read, and written anew with their expiry', async () => {
  await db.sql`truncate session`
  const [plain, one] = [JSON.stringify(sessionOf({ user: 'plain' })), await serializerWith(first)]
  await db.sql`insert into session values ('plain', ${plain}::text::json, now() + interval '600 seconds')`
  await withStore({ conString: db.url, serializer: one, ttl: 3000 }, async (store) => {
    await store.set('with-expiry', sessionOf({ user: 'ann' }, 5000))
    await store.set('endless', endless({ user: 'bob' }))
  })
  assert.deepEqual(await counts(), { none: 1, 1: 2 })
  const two = await serializerWith(second)
  await withStore({ conString: db.url, serializer: two, ttl: 3000 }, async (store) => {
    assert.equal(((await store.get('endless')) as any).user, 'bob')
    await store.set('third', sessionOf({ user: 'cat' }))
    assert.deepEqual(await counts(), { none: 1, 1: 2, 2: 1 })
    await writeAnew(two)
    assert.deepEqual(await counts(), { 2: 4 })
  })
  for (const [sid, seconds] of [
    ['with-expiry', 5000],
    ['endless', 3000],
    ['plain', 600],
  ] as const) {
    assert.ok(Math.abs((await row(db.sql, sid)).inSeconds - seconds) < 10, sid)
  }
  const byFirst = await one.stringify(sessionOf())
  const { SESSION_KEY_1: _, ...only } = second
  await withStore({ conString: db.url, serializer: await serializerWith(only) }, async (store) => {
    assert.equal((await store.all()).length, 4, 'without the old key')
    await db.sql`update session set sess = ${byFirst}::text::json where sid = 'third'`
    assert.equal((await failure(store.get('third'))).code, 'STORE_SESSION')
    assert.ok(await row(db.sql, 'third'))
  })
})

test('a text that was changed is an error, without data', async () => {
  const serializer = await serializerWith(first)
  await withStore({ conString: db.url, serializer }, async (store) => {
    await store.set('changed', sessionOf({ user: 'user-ann' }))
    const { key, sealed } = await row(db.sql, 'changed')
    const bytes = Buffer.from(sealed, 'base64')
    bytes[40]! ^= 1
    const text = JSON.stringify({ key, sealed: bytes.toString('base64') })
    await db.sql`update session set sess = ${text}::text::json where sid = 'changed'`
    const error = await failure(store.get('changed'))
    assert.equal(error.code, 'STORE_SESSION')
    assert.doesNotMatch(`${error.message}${error.stack}`, /user-/)
  })
})

test('the longest lifetime is inside what is encrypted, and writing anew does not move it', async () => {
  await db.sql`truncate session`
  const serializer = await serializerWith(first)
  const read = async () => (await serializer.parse((await row(db.sql, 'long')).text)) as any
  await withStore({ conString: db.url, serializer, maxLifetime: 3600 }, (store) =>
    store.set('long', sessionOf({ user: 'ann' }, 86_400)),
  )
  const before = await read()
  const two = await serializerWith(second)
  await writeAnew(two, { maxLifetime: 3600 })
  assert.deepEqual(await counts(), { 2: 1 })
  await writeAnew(two)
  const { 'connect-postgres-simple:created': created } = (await two.parse(
    (
      await row(db.sql, 'long')
    ).text,
  )) as any
  assert.equal(created, before['connect-postgres-simple:created'])
  assert.ok((await row(db.sql, 'long')).inSeconds <= 3600)
})

test('without a key, or with a short one, no process starts', async () => {
  assert.match((await failure(serializerWith({}))).message, /SESSION_KEY_NaN must be 32 bytes/)
  assert.match(
    (await failure(serializerWith({ SESSION_KEY: '1', SESSION_KEY_1: 'AAAA' }))).message,
    /SESSION_KEY_1/,
  )
})

test('no connection is left behind', () => db.drop())
