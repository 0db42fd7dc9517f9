// The table's definition, its creation by any number of processes at once, and the type that its sids have
// where it was made by somebody else. Must not know how a statement is sent.

import type { Columns } from './query.ts'
import { type Names, quoted } from './statements.ts'

/**
 * The text of table.sql, for a table of any name. PostgreSQL names the primary key `<table>_pkey` by itself.
 * @param index quoted; empty to leave its name to PostgreSQL
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

// duplicate_table (of an index too), unique_violation (in the catalogue), duplicate_object
const TAKEN = new Set(['42P07', '23505', '42710'])

interface Run {
  exists(): Promise<boolean>
  /** One transaction. Fails with the SQLSTATE as `code`. */
  create(ddl: string): Promise<unknown>
}

/** Creates the table if it is not there. No lock is needed: whoever comes second is told so by the catalogue, and is content. */
export async function createTable({ table, index }: Names, run: Run): Promise<void> {
  if (await run.exists()) return
  try {
    await run.create(ddl(table, index))
  } catch (error) {
    if (!TAKEN.has((error as { code?: string }).code ?? '')) throw error
    if (await run.exists()) return
    // Then it is the name of the index that is taken, by another table: connect-pg-simple gives every table the same.
    await run.create(ddl(table, '')).catch(async (again) => {
      if (!(await run.exists())) throw again
    })
  }
}

/**
 * The type of the sids as SQL names it; empty where they are the text that they are, as in table.sql.
 * `citext` is not, nor `uuid`, nor a text whose collation takes two spellings for one.
 * @param rows what the statement `sidType` gave
 * @returns nothing where they say nothing of this table
 */
export function sidTypeOf({ table }: Names, rows: readonly Columns[]): string | undefined {
  const [of, schema, type, isDeterministic] = rows[0] ?? []
  if (of !== table || !schema || !type) return undefined
  const isText = schema === 'pg_catalog' && (type === 'varchar' || type === 'text')
  return isText && isDeterministic === 'true' ? '' : `${quoted(schema)}.${quoted(type)}`
}
