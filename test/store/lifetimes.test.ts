// The table of the README that says which setting decides how long a session lives: a test for each line.

import assert from 'node:assert/strict'
import type { SessionOptions } from 'express-session'
import type { Options, PostgresStore } from '../../src/index.ts'
import { type App, browser, serve, versions } from '../support/app.ts'
import { database, tableSql } from '../support/database.ts'
import { codeIn } from '../support/paper.ts'
import { promises } from '../support/promise.ts'
import { row, Store, withStore } from '../support/store.ts'

const db = await database('lifetimes')
await db.sql.unsafe(tableSql)
const DAY = 86_400
/** What a browser is told of when to drop its cookie, in seconds from now; 0 for when it is closed. */
const keptFor = (cookie: string) => {
  const expires = /Expires=([^;]+)/.exec(cookie)?.[1]
  return expires ? (Date.parse(expires) - Date.now()) / 1000 : 0
}
/** What is confused with it is a minute away, and a slow machine takes some seconds. */
const near = (actual: number, expected: number, what = '') =>
  assert.ok(Math.abs(actual - expected) <= 20, `${what} ${actual} instead of about ${expected}`)

/** Moves the wall clock of this process forward while `use` runs. */
async function later<T>(seconds: number, use: () => Promise<T>): Promise<T> {
  const { now } = Date
  Date.now = () => now() + seconds * 1000
  try {
    return await use()
  } finally {
    Date.now = now
  }
}

for (const [version, make] of Object.entries(versions)) {
  const test = promises(`lifetimes, ${version}`)

  const withApp = (
    options: Options,
    session: Partial<SessionOptions>,
    use: (app: App, store: PostgresStore) => Promise<void>,
  ) =>
    withStore({ conString: db.url, ...options }, async (store) => {
      const app = await serve({ store, make, session })
      try {
        await use(app, store)
      } finally {
        await app.close()
      }
    })
  /** How long the row still lives, by a clock so many seconds later. */
  const left = async (sid: string) => (await row(db.sql, sid)).inSeconds

  test('cookie.maxAge decides when a session ends, counted from each request, and `ttl` is not asked', () =>
    withApp({ ttl: () => assert.fail('asked') }, { cookie: { maxAge: 1000 * 1000 } }, async (app) => {
      const ann = browser()
      const { body, cookie } = await ann.get(app, '/login?user=ann')
      near(await left(body.sid), 1000)
      near(keptFor(cookie as string), 1000)
      await later(900, async () => {
        assert.equal((await ann.get(app, '/me')).body.user, 'ann')
        near(await left(body.sid), 1000)
      })
      await later(1902, async () => assert.equal((await ann.get(app, '/me')).body.user, undefined))
    }))

  test('no cookie.maxAge: `ttl` decides, counted from each request, and the browser drops its cookie when closed', () =>
    withApp({ ttl: 1000 }, {}, async (app) => {
      const ann = browser()
      const { body, cookie } = await ann.get(app, '/login?user=ann')
      near(await left(body.sid), 1000)
      assert.equal(keptFor(cookie as string), 0)
      await later(900, async () => {
        assert.equal((await ann.get(app, '/me')).body.user, 'ann')
        near(await left(body.sid), 1000)
      })
      await later(1902, async () => assert.equal((await ann.get(app, '/me')).body.user, undefined))
    }))

  for (const rolling of [false, true]) {
    test(`rolling: ${rolling} decides only when the browser drops its cookie`, () =>
      withApp({}, { rolling, cookie: { maxAge: 1000 * 1000 } }, async (app) => {
        const ann = browser()
        const { body } = await ann.get(app, '/login?user=ann')
        await later(500, async () => {
          const { cookie } = await ann.get(app, '/me')
          assert.equal(cookie !== undefined, rolling, 'a response that changes nothing')
          near(await left(body.sid), 1000, 'the row')
          const changed = await ann.get(app, '/put?n=1')
          near(keptFor(changed.cookie as string), 1000, 'a response that changes the session')
        })
      }))
  }

  test('ttl as a function sees whether the session has a user: the example of the README', async () => {
    const construct = new Function(
      'PostgresStore',
      'conString',
      `${codeIn('README.md', 'maxLifetime:')}; return store`,
    )
    const store: PostgresStore = construct(
      class extends Store {
        constructor(options: Options) {
          super({ pruneSessionInterval: false, ...options })
        }
      },
      db.url,
    )
    const app = await serve({ store, make, session: { saveUninitialized: true } })
    try {
      const visitor = browser()
      const { sid } = (await visitor.get(app, '/me')).body
      near(await left(sid), 600, 'a visitor')
      await later(60, () => visitor.get(app, '/me'))
      near(await left(sid), 660, 'a visitor, touched')
      const { body } = await visitor.get(app, '/login?user=ann')
      near(await left(body.sid), 7200, 'a user')
      await later(60, () => visitor.get(app, '/me'))
      near(await left(body.sid), 7260, 'a user, touched')
      for (let at = 7000; at < DAY; at += 7000) await later(at, () => visitor.get(app, '/me'))
      near(await left(body.sid), DAY, 'a user of a day')
    } finally {
      await app.close()
      await store.close()
    }
  })

  test('touchInterval decides how much earlier a session may end, and none in use ends', () =>
    withApp({ ttl: 1000, touchInterval: 60 }, {}, async (app) => {
      const ann = browser()
      const { sid } = (await ann.get(app, '/login?user=ann')).body
      await later(50, () => ann.get(app, '/me'))
      near(await left(sid), 1000, 'spared')
      await later(70, () => ann.get(app, '/me'))
      near(await left(sid), 1070, 'sent')
      for (let at = 100; at < 3000; at += 400) {
        await later(at, async () => assert.equal((await ann.get(app, '/me')).body.user, 'ann'))
      }
    }))

  test('disableTouch: a request that changes nothing does not prolong, one that changes the session does', () =>
    withApp({ ttl: 1000, disableTouch: true }, {}, async (app) => {
      const ann = browser()
      const { sid } = (await ann.get(app, '/login?user=ann')).body
      await later(500, () => ann.get(app, '/me'))
      near(await left(sid), 1000)
      await later(600, () => ann.get(app, '/put?n=1'))
      near(await left(sid), 1600)
      await later(1602, async () => assert.equal((await ann.get(app, '/me')).body.user, undefined))
    }))

  for (const [what, options, session] of [
    ['cookie.maxAge and rolling', {}, { rolling: true, cookie: { maxAge: 1000 * 1000 } }],
    ['ttl', { ttl: 1000 }, {}],
    ['ttl and touchInterval', { ttl: 1000, touchInterval: 60 }, {}],
    ['saves and disableTouch', { ttl: 1000, disableTouch: true }, { resave: true }],
  ] as const) {
    test(`maxLifetime decides the end at the latest, whatever ${what} would give it`, () =>
      withApp({ ...options, maxLifetime: 3000 }, session, async (app, store) => {
        const ann = browser()
        const { sid } = (await ann.get(app, '/login?user=ann')).body
        for (let at = 400; at < 3000; at += 400) {
          await later(at, async () => assert.equal((await ann.get(app, '/me')).body.user, 'ann', `at ${at}`))
          assert.ok((await left(sid)) <= 3000)
        }
        await later(3002, async () => {
          assert.equal((await ann.get(app, '/me')).body.user, undefined)
          assert.equal(await store.get(sid), null)
        })
      }))
  }
}

promises('lifetimes')('no connection is left behind', () => db.drop())
