// A database of its own for each test file, in a server that is not in UTC, and raw SQL into it. Dropped at
// the end, which fails if anybody is still connected. Knows nothing of the store.

import { readFileSync } from 'node:fs'
import postgres, { type Sql } from 'postgres'

const SERVER = process.env['TEST_DATABASE_URL'] ?? process.env['DATABASE_URL']

export const tableSql = readFileSync(new URL('../../table.sql', import.meta.url), 'utf8')

export interface Database {
  readonly url: string
  /** Plain, as an app would open it. Raw SQL to arrange and to look. */
  readonly sql: Sql
  /** Drops the database. Fails if any connection but `sql` is left. */
  drop(): Promise<void>
}

/** The major version of the server. */
export async function serverMajor(): Promise<number> {
  if (!SERVER) throw new Error('Run the tests by `npm test`, or set DATABASE_URL')
  const sql = postgres(SERVER, { max: 1 })
  const [row] = await sql`select current_setting('server_version_num')::int / 10000 as major`
  await sql.end()
  return row?.['major']
}

/** @param timeZone of all connections to it */
export async function database(name: string, { timeZone }: { timeZone?: string } = {}): Promise<Database> {
  if (!SERVER) throw new Error('Run the tests by `npm test`, or set DATABASE_URL')
  const admin = postgres(SERVER, { max: 1, onnotice() {} })
  const own = `test_${name.replaceAll(/\W/g, '_')}_${process.pid}`
  await admin.unsafe(`create database "${own}"`)
  if (timeZone) await admin.unsafe(`alter database "${own}" set timezone = '${timeZone}'`)
  const url = new URL(SERVER)
  url.pathname = `/${own}`
  const sql = postgres(url.href, { max: 3, onnotice() {} })
  return {
    url: url.href,
    sql,
    async drop() {
      await sql.end({ timeout: 5 })
      try {
        const left = await whoIsLeft(admin, own)
        await admin`select pg_terminate_backend(pid) from pg_stat_activity where datname = ${own}`
        await admin.unsafe(`drop database "${own}"`)
        if (left.length > 0) throw new Error(`connections left behind: ${left.join(', ')}`)
      } finally {
        await admin.end({ timeout: 5 })
      }
    },
  }
}

/** The server notices a closed connection a moment after it is closed. */
async function whoIsLeft(admin: Sql, name: string): Promise<string[]> {
  for (let attempt = 0; ; attempt++) {
    const rows =
      await admin`select query from pg_stat_activity where datname = ${name} and pid <> pg_backend_pid()`
    if (rows.length === 0 || attempt === 40) return rows.map((row) => row['query'])
    await new Promise((resume) => setTimeout(resume, 50))
  }
}
