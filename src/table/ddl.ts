// The table's definition and its creation. Promises that any number of processes can create it at once. Must
// not know how a statement is sent.

import { codeOf } from '../errors.ts'
import { isTaken } from '../sqlstate.ts'
import type { Names } from './names.ts'

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
