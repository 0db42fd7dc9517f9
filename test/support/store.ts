// Stores on a test's database, and what tests say about rows. The store is made as an app makes it.

import session, { type SessionData } from 'express-session'
import type { Sql } from 'postgres'
import connectPostgresSimple, { type Options, type PostgresStore } from '../../src/index.ts'

export const Store = connectPostgresSimple(session)

/** Opens a store for as long as `use` runs. No timer, unless asked for. */
export async function withStore<T>(options: Options, use: (store: PostgresStore) => Promise<T>): Promise<T> {
  const store = new Store({ pruneSessionInterval: false, ...options })
  try {
    return await use(store)
  } finally {
    await store.close()
  }
}

/** A session as an app has it, that ends so many seconds from now. */
export function sessionOf(data: object = {}, seconds = 600): SessionData {
  const expires = new Date(Date.now() + seconds * 1000)
  return {
    cookie: { originalMaxAge: seconds * 1000, path: '/', httpOnly: true, expires },
    ...data,
  } as SessionData
}

/** One whose cookie ends with the browser. */
export function endless(data: object = {}): SessionData {
  return {
    cookie: { originalMaxAge: null, path: '/', httpOnly: true, expires: null },
    ...data,
  } as unknown as SessionData
}

/** Writes a row by hand. */
export async function putRow(
  sql: Sql,
  sid: string,
  data: object,
  seconds = 600,
  table = 'session',
): Promise<void> {
  const sess = JSON.stringify(sessionOf(data, seconds))
  await sql.unsafe(
    `insert into "${table}" (sid, sess, expire) values ($1, $2::text::json, to_timestamp($3::text::float8))`,
    [sid, sess, String(Math.ceil(Date.now() / 1000) + seconds)],
  )
}

/** What the row holds, and in how many seconds it expires. */
export async function row(sql: Sql, sid: string, table = 'session'): Promise<any> {
  const [found] = await sql.unsafe(
    `select sess::text as sess, extract(epoch from expire::timestamptz)::float8 as expire from "${table}" where sid = $1`,
    [sid],
  )
  return (
    found && {
      ...JSON.parse(found['sess']),
      text: found['sess'],
      inSeconds: found['expire'] - Date.now() / 1000,
    }
  )
}

/** The server's processes that work for a store, in any order. */
export async function backends(sql: Sql): Promise<number[]> {
  const rows = await sql`
    select pid from pg_stat_activity
    where datname = current_database() and application_name = 'connect-postgres-simple' order by random()`
  return rows.map(({ pid }) => pid)
}
