// While the app misuses its own postgres.js instance, whose rows the driver then mixes up, nobody is served another's
// session and nobody waits for ever.

import assert from 'node:assert/strict'
import postgres from 'postgres'
import { database, tableSql } from '../support/database.ts'
import { promises } from '../support/promise.ts'
import { Store } from '../support/store.ts'

const db = await database('hazards')
await db.sql.unsafe(tableSql)
await db.sql`
  insert into session
  select 'user-' || n, json_build_object('user', n, 'cookie', json_build_object('originalMaxAge', null)), now() + interval '1 day'
  from generate_series(1, 500) n`
const test = promises('hazards')
const GETS = 10_000

/** Gets under load while `misuse` runs again and again; every answer is checked. */
async function load(
  misuse: (sql: postgres.Sql, round: number) => Promise<unknown>,
): Promise<{ misused: number }> {
  const sql = postgres(db.url, { max: 2 })
  const store = new Store({ postgres: sql, pruneSessionInterval: false })
  let going = true
  let misused = 0
  const app = (async () => {
    while (going) await misuse(sql, misused++)
  })()
  app.catch(() => {})
  let left = GETS
  const user = async () => {
    while (left-- > 0) {
      const n = 1 + Math.floor(Math.random() * 500)
      const session = (await store.get(`user-${n}`)) as any
      assert.equal(session?.user, n)
    }
  }
  try {
    await Promise.all(Array.from({ length: 64 }, user))
  } finally {
    going = false
    // The app's own instance may be beyond help by now: that is the point.
    await Promise.race([app, new Promise((resume) => setTimeout(resume, 1000))])
    await store.close()
    await sql.end({ timeout: 0 })
  }
  return { misused }
}

test(
  'an undefined parameter in a statement of the app, under load',
  async () => {
    const { misused } = await load((sql) =>
      Promise.race([
        Promise.allSettled(
          Array.from(
            { length: 20 },
            (_, i) => sql`select ${i % 5 === 0 ? (undefined as unknown as number) : i}::int as i`,
          ),
        ),
        new Promise((resume) => setTimeout(resume, 20)),
      ]),
    )
    assert.ok(misused > 0)
  },
  { seconds: 60 },
)

test(
  'DEALLOCATE ALL on every connection of the app, and of everybody it can reach',
  async () => {
    const { misused } = await load((sql) =>
      Promise.race([
        Promise.allSettled(
          [...Array(4)].flatMap(() => [sql`select ${1}::int`, sql.unsafe('deallocate all')]),
        ),
        new Promise((resume) => setTimeout(resume, 20)),
      ]),
    )
    assert.ok(misused > 0)
  },
  { seconds: 60 },
)

test(
  'ALTER TABLE of the type of each column, to and fro',
  async () => {
    const changes = [
      'alter column sess type jsonb using sess::jsonb',
      'alter column sid type text',
      'alter column expire type timestamptz',
      'alter column sess type json using sess::json',
      'alter column sid type varchar',
      'alter column expire type timestamp(6)',
      'add column extra int',
      'drop column extra',
    ]
    const { misused } = await load(async (_sql, round) => {
      await db.sql.unsafe(`alter table session ${changes[round % changes.length]}`)
      await new Promise((resume) => setTimeout(resume, 5))
    })
    assert.ok(misused >= changes.length, `${misused} changes`)
  },
  { seconds: 60 },
)

test(
  'the connections of the store ended by the server',
  async () => {
    const { misused } = await load(async () => {
      await db.sql`
      select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and query like '%s.sid = any(%' and pid <> pg_backend_pid()
      limit 1`
      await new Promise((resume) => setTimeout(resume, 10))
    })
    assert.ok(misused > 5)
  },
  { seconds: 60 },
)

test('the store works on a table whose columns are jsonb, text and timestamptz', async () => {
  await db.sql`create schema modern`
  await db.sql`create table modern.session (sid text primary key, sess jsonb not null, expire timestamptz not null)`
  const store = new Store({ conString: db.url, schemaName: 'modern', pruneSessionInterval: false })
  const session = { cookie: { originalMaxAge: null, expires: new Date(Date.now() + 60_000) }, n: 1 } as any
  await store.set('a', session)
  const loaded = (await store.get('a')) as any
  assert.equal(loaded.n, 1)
  await store.set('a', Object.assign(loaded, { n: 2 }))
  await store.touch('a', session)
  assert.equal(((await store.get('a')) as any).n, 2)
  await store.close()
})

test('no connection is left behind', () => db.drop())
