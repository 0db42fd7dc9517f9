// Asks the catalogue what the column `sess` of an existing table can hold. Must not know what depends on it.

import type { Columns } from '../connection/query.ts'
import { constant } from './names.ts'
import { type Statement, statement } from './sql.ts'

/**
 * `json`: nothing but JSON, in a column of type json or jsonb. `text`: possibly other text, which PostgreSQL
 * tells from JSON since version 16. `old text`: the same before version 16.
 */
export type SessForm = 'json' | 'text' | 'old text'

/** Its columns are those that `sessFormOf` takes apart. */
export function sessFormStatement(table: string): Statement {
  return statement(
    [],
    () => `
    select t.typname::text, pg_catalog.current_setting('server_version_num')
    from pg_catalog.pg_attribute a
    join pg_catalog.pg_type d on d.oid = a.atttypid
    join pg_catalog.pg_type t on t.oid = case d.typtype when 'd' then d.typbasetype else d.oid end
    where a.attrelid = ${constant(table)}::regclass and a.attname = 'sess'`,
  )
}

/** @param rows of the statement `sessForm` */
export function sessFormOf([row = []]: readonly Columns[]): SessForm {
  // The type, of the underlying one if it is a domain; the server's version.
  const [type, version] = row
  if (type === 'json' || type === 'jsonb') return 'json'
  return Number(version) >= 160_000 ? 'text' : 'old text'
}
