// The statements that repair rows which hold no session, or one in a wrong form. Promises that none fails
// for what a row holds, and that none touches a session that a request can load. Must not know how such rows
// are found.

import type { Columns } from '../../connection/query.ts'
import { type Question, question } from './check.ts'

/** The type of the column `sess` as SQL says it and in short, and the server's version. */
export const SESS: Question = question(
  ['oid'],
  ($) => `
  select pg_catalog.format_type(a.atttypid, a.atttypmod), t.typname::text,
    pg_catalog.current_setting('server_version_num')
  from pg_catalog.pg_attribute a
  join pg_catalog.pg_type d on d.oid = a.atttypid
  join pg_catalog.pg_type t on t.oid = case d.typtype when 'd' then d.typbasetype else d.oid end
  where a.attrelid = ${$.oid}::oid and a.attname = 'sess'`,
)

// By its first and last characters, as a text of another column type may be no JSON, and a cast would fail.
const BLANK = '(\\s|\\\\[nrt])*'
const NO_OBJECT = `^\\s*(\\[.*\\]|-?[0-9][0-9.eE+-]*|true|false|null|"(?!${BLANK}\\{).*")\\s*$`
const TWICE = `^\\s*"${BLANK}\\{.*\\}${BLANK}"\\s*$`

/** PostgreSQL does since version 16. */
const tellsJson = (version: Columns[number] | undefined): boolean => Number(version) >= 160_000

/** The rows of which a condition holds that can be asked only of JSON; undefined if that cannot be told. */
function ofJson(condition: string, [, type, version]: Columns): string | undefined {
  if (type === 'json' || type === 'jsonb') return condition
  return tellsJson(version) ? `case when "sess"::text is json then ${condition} end` : undefined
}

export interface RowRepairs {
  readonly notObject: readonly string[]
  readonly withoutCookie: readonly string[]
  readonly encodedTwice: readonly string[]
}

/** @param column the row that `SESS` returns @param table quoted for SQL */
export function rowRepairs(column: Columns, table: string): RowRepairs {
  // On a text with `\u0000` or half a surrogate pair anywhere, json's own operators fail: see user-key.ts.
  const decoded = `pg_catalog.replace("sess"::text, E'\\\\u', '/u')::json`
  const bare = ofJson(
    `(pg_catalog.json_typeof(${decoded}) = 'object' and coalesce(${decoded} ->> 'cookie', '') !~ '^\\s*[{[]')`,
    column,
  )
  const isObject = tellsJson(column[2]) ? ` and (${decoded} #>> '{}') is json object` : ''
  // jsonb refuses them, and a statement for all rows fails for one.
  const isStorable = column[1] === 'jsonb' ? ` and "sess"::text !~* '\\\\u(0000|d[89a-f])'` : ''
  const twice = ofJson(`("sess"::text ~ '${TWICE}'${isObject}${isStorable})`, column)
  const once = `(("sess"::json #>> '{}')::json::text)::${column[0]}`
  return {
    notObject: [`delete from ${table} where "sess"::text ~ '${NO_OBJECT}'`],
    withoutCookie: bare === undefined ? [] : [`delete from ${table} where ${bare}`],
    encodedTwice: twice === undefined ? [] : [`update ${table} set "sess" = ${once} where ${twice}`],
  }
}
