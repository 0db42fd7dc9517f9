// Asks the catalogue for the type of the column `sid` in an existing table. Must not know what depends on it.

import type { Columns } from '../connection/query.ts'
import { constant, type Names, quoted } from './names.ts'
import { type Statement, statement } from './sql.ts'

/** Its columns are those that `sidTypeOf` takes apart. */
export function sidTypeStatement(table: string): Statement {
  return statement(
    [],
    () => `
    select ${constant(table)}::text, n.nspname::text, t.typname::text,
      coalesce(pg_catalog.to_json(c) ->> 'collisdeterministic', 'true')
    from pg_catalog.pg_attribute a
    join pg_catalog.pg_type d on d.oid = a.atttypid
    join pg_catalog.pg_type t on t.oid = case d.typtype when 'd' then d.typbasetype else d.oid end
    join pg_catalog.pg_namespace n on n.oid = t.typnamespace
    left join pg_catalog.pg_collation c on c.oid = a.attcollation
    where a.attrelid = ${constant(table)}::regclass and a.attname = 'sid'`,
  )
}

/**
 * The type of the column `sid` as SQL names it; empty where sids are compared as plain text, as in table.sql.
 * They are not for `citext`, for `uuid`, or for text with a collation that treats different spellings as
 * equal.
 * @param rows of the statement `sidType`
 * @returns undefined if the rows are not about this table
 */
export function sidTypeOf({ table }: Names, rows: readonly Columns[]): string | undefined {
  // The table's name as it was given; schema and name of the type, of the underlying one if it is a domain;
  // whether the column's collation treats only identical texts as equal.
  const [rowTable, schema, type, isDeterministic] = rows[0] ?? []
  if (rowTable !== table || !schema || !type) return undefined
  const isText = schema === 'pg_catalog' && (type === 'varchar' || type === 'text')
  return isText && isDeterministic === 'true' ? '' : `${quoted(schema)}.${quoted(type)}`
}
