// Hosts that copy a session, as @fastify/session 11.1 does, and call no `createSession`. That host itself is
// run by `npm run test:everywhere`.

import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import connectPostgresSimple, { type Options } from '../../src/index.ts'
import { database, tableSql } from '../support/database.ts'
import { promises } from '../support/promise.ts'
import { putRow, row, sessionOf } from '../support/store.ts'

const db = await database('copies')
await db.sql.unsafe(tableSql)
const test = promises('copies')

class HostStore extends EventEmitter {}
const Store = connectPostgresSimple({ Store: HostStore as any })

/** Keeps its sid and the cookie's options where JSON does not look, and copies the rest. */
class HostSession {
  readonly #sid: string
  readonly [options: symbol]: object
  readonly cookie: object

  constructor(sid: string, loaded: any = sessionOf()) {
    const { cookie } = loaded
    const options = { path: '/', ...(typeof cookie?.toJSON === 'function' ? cookie.toJSON() : cookie) }
    this.#sid = sid
    for (const key in loaded) Reflect.set(this, key, loaded[key])
    Reflect.set(this, Symbol('options'), { ...options })
    this.cookie = { ...options }
  }

  get sessionId(): string {
    return this.#sid
  }
}

async function withHost(options: Options, use: (store: any) => Promise<void>): Promise<void> {
  const store = new Store({ conString: db.url, pruneSessionInterval: false, ...options })
  try {
    await use(store)
  } finally {
    await store.close()
  }
}

for (const onConflict of ['overwrite', 'merge', 'error'] as const) {
  test(`a copy of a loaded session is not brought back by a save after the logout (${onConflict})`, () =>
    withHost({ onConflict }, async (store) => {
      await putRow(db.sql, 'out', { user: 'ann' })
      const copy = new HostSession('out', await store.get('out'))
      await db.sql`delete from session where sid = 'out'`
      await store.set('out', Object.assign(copy, { n: 1 }))
      assert.equal(await row(db.sql, 'out'), undefined)
    }))
}

test('a new session of such a host is stored, and from then on it is only updated', () =>
  withHost({}, async (store) => {
    const session = new HostSession('new')
    await store.set('new', session)
    assert.ok(await row(db.sql, 'new'))
    await db.sql`delete from session where sid = 'new'`
    await store.set('new', session)
    assert.equal(await row(db.sql, 'new'), undefined)
  }))

test('a session that is made of a loaded one under another sid is a new one', () =>
  withHost({}, async (store) => {
    await putRow(db.sql, 'before', { user: 'ann' })
    const loaded = await store.get('before')
    await store.set('after', new HostSession('after', loaded))
    assert.equal((await row(db.sql, 'after')).user, 'ann')
  }))

test('what two copies of one session changed is merged', () =>
  withHost({ onConflict: 'merge' }, async (store) => {
    await putRow(db.sql, 'two', { user: 'ann' })
    const [one, other] = [
      new HostSession('two', await store.get('two')),
      new HostSession('two', await store.get('two')),
    ]
    await store.set('two', Object.assign(one, { a: 1 }))
    await store.set('two', Object.assign(other, { b: 2 }))
    const { a, b } = await row(db.sql, 'two')
    assert.deepEqual([a, b], [1, 2])
  }))

test('nothing of that shows in the session, in its text or in a comparison', () =>
  withHost({}, async (store) => {
    await putRow(db.sql, 'plain', { user: 'ann' })
    const session = await store.get('plain')
    assert.deepEqual(session, JSON.parse(JSON.stringify(session)))
    const copy = new HostSession('plain', session)
    assert.deepEqual(Object.keys(copy).sort(), ['cookie', 'user'])
    await store.set('plain', copy)
    const { text } = await row(db.sql, 'plain')
    assert.equal(text, JSON.stringify(copy))
    assert.deepEqual(Object.keys(JSON.parse(text)).sort(), ['cookie', 'user'])
  }))

test('a session without a cookie, or with a `toJSON` of its own, is given as it is', () =>
  withHost({}, async (store) => {
    const expire = "now() + interval '1 hour'"
    await db.sql.unsafe(`insert into session values
      ('bare', '{"user":"ann"}', ${expire}), ('odd', '{"cookie":{"toJSON":"x"}}', ${expire})`)
    assert.deepEqual(await store.get('bare'), { user: 'ann' })
    assert.deepEqual(await store.get('odd'), { cookie: { toJSON: 'x' } })
  }))

test('no connection to the copies is left', () => db.drop())
