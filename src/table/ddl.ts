// The table's definition, its creation, and the type of the sids in an existing table. Promises that any
// number of processes can create it at once. Must not know how a statement is sent.

import type { Columns } from '../connection/query.ts'
import { codeOf } from '../errors.ts'
import { isTaken } from '../sqlstate.ts'
import { type Names, quoted } from './names.ts'

/**
 * The text of table.sql, for a table of any name. PostgreSQL names the primary key `<table>_pkey` by itself.
 * @param index the quoted name of the index; empty to let PostgreSQL choose one
 */
export function ddl(table: string, index: string): string {
  return `create table ${table} (
  "sid" varchar collate "default" not null primary key,
  "sess" json not null,
  "expire" timestamp(6) not null
);

create index ${index} on ${table} ("expire");
`
}

interface Database {
  exists(): Promise<boolean>
  /** Runs the DDL in one transaction. Rejects with the SQLSTATE as `code`. */
  create(ddl: string): Promise<unknown>
}

/**
 * Creates the table if it does not exist. No lock is needed: losing the race against another process raises a
 * duplicate error, which counts as success.
 */
export async function createTable({ table, index }: Names, database: Database): Promise<void> {
  if (await database.exists()) return
  try {
    await database.create(ddl(table, index))
  } catch (error) {
    if (!isTaken(codeOf(error))) throw error
    if (await database.exists()) return
    // The table does not exist, so the name of the index is taken by another table: connect-pg-simple gives
    // the indexes of all its tables the same name.
    await database.create(ddl(table, '')).catch(async (secondError) => {
      if (!(await database.exists())) throw secondError
    })
  }
}

/**
 * The type of the column `sid` as SQL names it; empty where sids are compared as plain text, as in table.sql.
 * They are not for `citext`, for `uuid`, or for text with a collation that treats different spellings as
 * equal.
 * @param rows of the statement `sidType`
 * @returns undefined if the rows are not about this table
 */
export function sidTypeOf({ table }: Names, rows: readonly Columns[]): string | undefined {
  const [rowTable, schema, type, isDeterministic] = rows[0] ?? []
  if (rowTable !== table || !schema || !type) return undefined
  const isText = schema === 'pg_catalog' && (type === 'varchar' || type === 'text')
  return isText && isDeterministic === 'true' ? '' : `${quoted(schema)}.${quoted(type)}`
}
