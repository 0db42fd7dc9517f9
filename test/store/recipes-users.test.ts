// What docs/users.md shows, run as it stands there.

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import type { Express } from 'express'
import type { PostgresStore } from '../../src/store/contract.ts'
import { names } from '../../src/table/names.ts'
import { userIndex } from '../../src/table/user-index.ts'
import { serve, versions } from '../support/app.ts'
import { database, tableSql } from '../support/database.ts'
import { codeIn } from '../support/paper.ts'
import { promises } from '../support/promise.ts'
import { withStore } from '../support/store.ts'

const db = await database('recipes_users')
await db.sql.unsafe(tableSql)
const test = promises('recipes for users')
const PAPER = 'docs/users.md'

const recipes = ['/login', '/password', '/devices'].map((words) => codeIn(PAPER, words))

/** A device of a user, with the cookie that it keeps. */
function device(url: string, name: string) {
  let cookie = ''
  return async (method: 'GET' | 'POST', path: string): Promise<{ status: number; body: any }> => {
    const headers = { connection: 'close', 'user-agent': name, ...(cookie && { cookie }) }
    const response = await fetch(url + path, { method, headers, redirect: 'manual' })
    cookie = response.headers.getSetCookie()[0]?.split(';')[0] ?? cookie
    const text = await response.text()
    return {
      status: response.status,
      body: text.startsWith('{') || text.startsWith('[') ? JSON.parse(text) : text,
    }
  }
}

/** An app with all recipes, whose users log in as who they say they are. */
async function withApp(
  make: () => Express,
  use: (open: (name: string) => ReturnType<typeof device>, store: PostgresStore) => Promise<void>,
): Promise<void> {
  await withStore({ conString: db.url }, async (store) => {
    const authenticate = (req: any) => req.query.user
    const routes = (app: Express) => {
      for (const code of recipes)
        new Function('app', 'store', 'createHash', 'authenticate', code)(app, store, createHash, authenticate)
    }
    const app = await serve({ store, make, routes })
    try {
      await use((name) => device(app.url, name), store)
    } finally {
      await app.close()
    }
  })
}

for (const [version, make] of Object.entries(versions)) {
  test(`a fourth login of a user ends the session that was not used for longest: ${version}`, () =>
    withApp(make, async (open, store) => {
      const user = `limited-${version}`
      const devices = ['a', 'b', 'c', 'd'].map(open)
      for (const [i, ask] of devices.entries()) {
        assert.equal((await ask('POST', `/login?user=${user}`)).status, 302)
        const seconds = i + 1
        // As if each had been used a second after the one before.
        await db.sql`
          update session set expire = now() + make_interval(hours => 1, secs => ${seconds})
          where sess::jsonb #>> '{passport,user}' = ${user} and sess::jsonb ->> 'device' = ${'abcd'[i] as string}`
      }
      assert.equal((await store.idsByUser(user)).length, 3)
      const users = await Promise.all(
        devices.map(async (ask) => (await ask('GET', '/me')).body.passport?.user),
      )
      assert.deepEqual(users, [undefined, user, user, user])
    }))

  test(`a change of the password ends the other sessions of the user only: ${version}`, () =>
    withApp(make, async (open) => {
      const user = `changed-${version}`
      const [mine, other, stranger] = ['mine', 'other', 'stranger'].map(open) as ReturnType<typeof device>[]
      for (const ask of [mine, other]) await ask?.('POST', `/login?user=${user}`)
      await stranger?.('POST', '/login?user=stranger')
      assert.deepEqual((await mine?.('POST', '/password'))?.body, { ended: 1 })
      const users = await Promise.all(
        [mine, other, stranger].map(async (ask) => (await ask?.('GET', '/me'))?.body.passport?.user),
      )
      assert.deepEqual(users, [user, undefined, 'stranger'])
    }))

  test(`the page of devices lists them, names the current one, and ends one of the user’s own: ${version}`, () =>
    withApp(make, async (open, store) => {
      const user = `owner-${version}`
      const [phone, laptop, stranger] = ['phone', 'laptop', 'stranger'].map(open) as ReturnType<
        typeof device
      >[]
      for (const ask of [phone, laptop]) await ask?.('POST', `/login?user=${user}`)
      await stranger?.('POST', '/login?user=stranger')
      const page = (await laptop?.('GET', '/devices'))?.body as any[]
      assert.deepEqual(page.map(({ device: name, isCurrent }) => [name, isCurrent]).sort(), [
        ['laptop', true],
        ['phone', false],
      ])
      for (const sid of await store.idsByUser(user)) assert.ok(!JSON.stringify(page).includes(sid))
      const { handle } = page.find(({ device: name }) => name === 'phone')
      assert.equal((await stranger?.('POST', `/devices/${handle}/end`))?.status, 404)
      assert.equal((await phone?.('GET', '/me'))?.body.passport.user, user)
      assert.equal((await laptop?.('POST', `/devices/${handle}/end`))?.status, 204)
      assert.equal((await phone?.('GET', '/me'))?.body.passport, undefined)
      assert.equal((await laptop?.('GET', '/me'))?.body.passport.user, user)
    }))
}

test('the index of the migration that is shown is the one that the store creates and uses', async () => {
  const { name, look } = userIndex(names('session', undefined), ['passport', 'user'])
  await db.sql.unsafe(codeIn(PAPER, 'create index', 'sql'))
  assert.equal((await db.sql.unsafe(look).values())[0]?.[0], 'valid')
  const definition = async () =>
    (await db.sql`select pg_get_indexdef(${`"${name}"`}::text::regclass) as text`)[0]?.['text']
  const shown = await definition()
  await db.sql.unsafe(`drop index "${name}"`)
  await withStore({ conString: db.url }, (store) => store.createUserIndex())
  assert.equal(await definition(), shown)
})

test('no connection is left behind', () => db.drop())
