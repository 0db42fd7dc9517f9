// docs/columns.md: its SQL, as it stands there, on a table that both stores use.

import assert from 'node:assert/strict'
import type { SessionData } from 'express-session'
import { browser, serve } from '../support/app.ts'
import { database, serverMajor, tableSql } from '../support/database.ts'
import { incumbent } from '../support/incumbent.ts'
import { codeIn } from '../support/paper.ts'
import { promises } from '../support/promise.ts'
import { sessionOf, withStore } from '../support/store.ts'

const db = await database('recipes_columns')
await db.sql.unsafe(tableSql)
const test = promises('recipes: columns')
const PAPER = 'docs/columns.md'
await db.sql.unsafe(codeIn(PAPER, 'created_at timestamptz', 'sql'))
const skip = (await serverMajor()) < 12 ? 'there are no generated columns before PostgreSQL 12' : undefined
if (!skip) await db.sql.unsafe(codeIn(PAPER, 'create function', 'sql'))

const columns = async (sid: string) => {
  const [found] = await db.sql`select * from session where sid = ${sid}`
  return found as { created_at: Date; last_ip: string | null; user_id: string | null } | undefined
}
const ofUser = (user: unknown, data: object = {}) => sessionOf({ passport: { user }, ...data })

/** Both stores, by what they share. */
async function withBoth(
  use: (store: {
    get(sid: string): Promise<any>
    set(sid: string, session: SessionData): Promise<void>
    touch(sid: string, session: SessionData): Promise<void>
    destroy(sid: string): Promise<void>
  }) => Promise<void>,
): Promise<void> {
  const beside = incumbent(db.url)
  try {
    await withStore({ conString: db.url }, use)
    await use(beside)
  } finally {
    await beside.close()
  }
}

test('columns with defaults get them when a session is stored, and stay at its saves and touches, in both stores', () =>
  withBoth(async (store) => {
    await db.sql`truncate session`
    await store.set('the sid', ofUser('ann'))
    await db.sql`update session set created_at = '2001-02-03Z'`
    await db.sql.unsafe(codeIn(PAPER, 'update "session"', 'sql'))
    const loaded = await store.get('the sid')
    await store.touch('the sid', loaded)
    await store.set('the sid', Object.assign(loaded, { n: 1 }))
    await store.set('the sid', ofUser('bob'))
    const found = await columns('the sid')
    assert.equal(found?.created_at.toISOString(), '2001-02-03T00:00:00.000Z')
    assert.equal(found?.last_ip, '203.0.113.7')
    await store.destroy('the sid')
    await store.set('the sid', ofUser('ann'))
    assert.equal((await columns('the sid'))?.last_ip, null, 'a new row')
    assert.ok(Date.now() - (await columns('the sid'))!.created_at.getTime() < 60_000)
  }))

test(
  'the generated column follows the session, in both stores',
  () =>
    withBoth(async (store) => {
      await store.set('follows', ofUser(42))
      assert.equal((await columns('follows'))?.user_id, '42')
      const loaded = await store.get('follows')
      await store.set('follows', Object.assign(loaded, { passport: { user: 'ann' } }))
      assert.equal((await columns('follows'))?.user_id, 'ann')
      await store.set('follows', sessionOf())
      assert.equal((await columns('follows'))?.user_id, null)
    }),
  { skip },
)

test(
  'no session makes a save fail by the generated column or its index, in either store',
  async () => {
    await db.sql.unsafe(codeIn(PAPER, 'create index concurrently', 'sql'))
    const large = Array.from({ length: 20_000 }, () => Math.random().toString(36)).join('')
    await withBoth(async (store) => {
      for (const [what, session, user] of [
        ['NUL in the user', ofUser('a\0b'), null],
        ['NUL elsewhere', ofUser('ann', { text: '\0' }), null],
        ['half a surrogate', ofUser('ann', { text: '\ud800' }), null],
        ['no path', sessionOf({ passport: 'text' }), null],
        ['an object', ofUser({ id: 1 }), '{"id":1}'],
        ['a large text', ofUser('ann', { text: large }), 'ann'],
        ['a large user', ofUser(large), large.slice(0, 200)],
      ] as const) {
        await store.set('odd', session)
        assert.equal((await columns('odd'))?.user_id, user, what)
        assert.deepEqual((await store.get('odd')).passport, (session as any).passport, what)
        await store.touch('odd', session)
      }
    })
  },
  { skip },
)

test('a login gives a row with new defaults', () =>
  withStore({ conString: db.url }, async (store) => {
    const app = await serve({ store, session: { saveUninitialized: true } })
    try {
      const ann = browser()
      const { sid } = (await ann.get(app, '/me')).body
      await db.sql`update session set last_ip = '203.0.113.7', created_at = '2001-02-03Z' where sid = ${sid}`
      const login = (await ann.get(app, '/login?user=ann')).body
      assert.equal(await columns(sid), undefined)
      const found = await columns(login.sid)
      assert.equal(found?.last_ip, null)
      assert.ok(Date.now() - found!.created_at.getTime() < 60_000)
    } finally {
      await app.close()
    }
  }))

test('no connection is left behind', () => db.drop())
