// Creates the table from table.sql, as `psql < table.sql` would, unless it is there.

import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import postgres from 'postgres'

const path = createRequire(import.meta.url).resolve('connect-postgres-simple/table.sql')

export async function createTable(url) {
  const sql = postgres(url, { max: 1 })
  const [{ there }] = await sql`select to_regclass('session') is not null as there`
  if (!there) await sql.unsafe(await readFile(path, 'utf8'))
  await sql.end()
}
