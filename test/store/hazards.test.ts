// While the app misuses its own postgres.js instance, whose rows the driver then mixes up, nobody is served
// another's session and nobody waits for ever. Beside each misuse stands what it does to gets on the app's
// own connections.

import assert from 'node:assert/strict'
import postgres from 'postgres'
import { database, tableSql } from '../support/database.ts'
import { promises, within } from '../support/promise.ts'
import { Store } from '../support/store.ts'

const db = await database('hazards')
await db.sql.unsafe(tableSql)
await db.sql`
  insert into session
  select 'user-' || n, json_build_object('user', n, 'cookie', json_build_object('originalMaxAge', null)), now() + interval '1 day'
  from generate_series(1, 500) n`
const test = promises('hazards')
const GETS = 10_000
const USERS = 64

/** Who gets the session of a user. Ends what it has opened. */
interface Getter {
  get(sid: string): Promise<any>
  close(): Promise<void>
}
const isolated = (sql: postgres.Sql): Getter => new Store({ postgres: sql, pruneSessionInterval: false })
/** What a store would be without connections of its own: it asks on those of the app. */
const exposed = (sql: postgres.Sql): Getter => ({
  async get(sid) {
    const [found] = await sql`select sess from session where sid = ${sid}`
    return found?.['sess']
  },
  async close() {},
})

interface Hazard {
  misuse(sql: postgres.Sql, round: number): Promise<unknown>
  /** How often it must have been, for the store to have been put through it. */
  rounds: number
  /** What the driver makes good by itself spoils nothing on the connections of the app either. */
  harmless?: true
}
const pause = (ms: number) => new Promise((resume) => setTimeout(resume, ms))
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

const hazards: Record<string, Hazard> = {
  'an undefined parameter in a statement of the app, under load': {
    misuse: (sql) =>
      Promise.race([
        Promise.allSettled(
          Array.from(
            { length: 20 },
            (_, i) => sql`select ${i % 5 === 0 ? (undefined as unknown as number) : i}::int as i`,
          ),
        ),
        pause(20),
      ]),
    rounds: 1,
  },
  'DEALLOCATE ALL on every connection of the app, and of everybody it can reach': {
    misuse: (sql) =>
      Promise.race([
        Promise.allSettled(
          [...Array(4)].flatMap(() => [sql`select ${1}::int`, sql.unsafe('deallocate all')]),
        ),
        pause(20),
      ]),
    rounds: 1,
  },
  'ALTER TABLE of the type of each column, to and fro': {
    async misuse(_sql, round) {
      await db.sql.unsafe(`alter table session ${changes[round % changes.length]}`)
      await pause(5)
    },
    rounds: changes.length,
    // postgres 3.4.9 prepares a statement anew where a table has changed under it.
    harmless: true,
  },
  'the connections of the store ended by the server': {
    async misuse() {
      await db.sql`
        select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and application_name in ('connect-postgres-simple', 'exposed')
        order by random() limit 1`
      await pause(10)
    },
    rounds: 6,
  },
}

/**
 * Gets under load while the misuse goes on, until one is spoilt: failed, wrong or without an end. Some gets are
 * answered between two misuses: on a slow machine connections could be ended faster than they are opened.
 */
async function load({ misuse, rounds }: Hazard, getter: (sql: postgres.Sql) => Getter) {
  const sql = postgres(db.url, {
    max: 2,
    connection: getter === exposed ? { application_name: 'exposed' } : {},
  })
  const store = getter(sql)
  let going = true
  let misused = 0
  let answered = 0
  const app = (async () => {
    while (going) {
      const before = answered
      await misuse(sql, misused++)
      while (going && answered < before + USERS) await pause(1)
    }
  })()
  app.catch(() => {})
  // What is spoilt may wait for ever.
  const seconds = getter === isolated ? 20 : 2
  let left = GETS
  const spoilt: unknown[] = []
  // By some misuse the driver lets a rejection escape, which would end an app. That of the store must not.
  const escaped = (error: unknown) => spoilt.push(error)
  if (getter === exposed) process.on('unhandledRejection', escaped)
  // On a slow machine the gets may be done before the misuse was enough.
  const isTooSoon = () => getter === isolated && misused < rounds && spoilt.length === 0
  const user = async () => {
    while (left-- > 0 || isTooSoon()) {
      const n = 1 + Math.floor(Math.random() * 500)
      const session = await within(seconds, () => store.get(`user-${n}`)).catch((error) => ({ user: error }))
      answered++
      if (session?.user === n) continue
      spoilt.push(session?.user)
      left = 0
    }
  }
  await Promise.all(Array.from({ length: USERS }, user))
  going = false
  // The app's own instance may be beyond help by now: that is the point.
  await Promise.race([app, pause(1000)])
  await store.close()
  await sql.end({ timeout: 0 })
  process.off('unhandledRejection', escaped)
  return { misused, spoilt }
}

for (const [title, hazard] of Object.entries(hazards)) {
  test(
    title,
    async () => {
      const { misused, spoilt } = await load(hazard, isolated)
      assert.deepEqual(spoilt, [])
      assert.ok(misused >= hazard.rounds, `${misused} times`)
    },
    { seconds: 60 },
  )

  if (hazard.harmless) continue
  test(
    `without connections of its own some gets would fail, or be wrong: ${title}`,
    async () => {
      const { spoilt } = await load(hazard, exposed)
      assert.ok(spoilt.length > 0)
    },
    { seconds: 60 },
  )
}

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
