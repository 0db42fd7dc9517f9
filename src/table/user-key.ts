// The SQL that finds a user's sessions by the id in `sess`, with or without an index. Promises that no row,
// whatever it holds, makes the indexed expression fail: that would fail the INSERT of every store. It may
// find a few rows of other users, so whoever asks has to look at each row's id. Must not know who asks.
//
// The id is cut out of the JSON text. On a text with `\u0000` or half a surrogate pair anywhere, json's own
// operators raise an error (seen on PostgreSQL 15 and 18). So each `\u` becomes `/u` first. What was valid
// JSON stays valid, as `\/` is an escape as well: `\\u` (a backslash, then a u) becomes `\/u`.
//
//   sess                                  key
//   {"passport":{"user":42}}              42
//   {"passport":{"user":"42"}}            42
//   {"passport":{"user":"ann\u0000"}}     /u   all ids with such an escape share one key
//   {"passport":{}}  [1]  5               null
//
// An entry of a B-tree has to be shorter than 2,704 bytes, so a key is the first 255 characters of an id.
// Its collation is C, as an index in another order is spoilt when the operating system's collations change.

import { constant } from './names.ts'
import { rowColumns } from './row.ts'
import type { SessForm } from './sess-form.ts'
import { type Pieces, type Statement, statement } from './sql.ts'

/** The key of ids that are written with `\u`. No other id has it but the id `/u`. */
const ESCAPED = "'/u'"

/** An array of text as a constant. The names in it are changed as the text is. */
function pathConstant(path: readonly string[]): string {
  const names = path.map((name) => name.replaceAll('\\u', '/u').replaceAll(/["\\]/g, '\\$&'))
  return `${constant(`{${names.map((name) => `"${name}"`).join()}}`)}::text[]`
}

/**
 * The key of a row, for the index and for the queries that use it.
 * @param path where in the session the user's id is
 */
export function userKey(path: readonly string[], form: Exclude<SessForm, 'old text'>): string {
  const text = `pg_catalog.replace(sess::text, E'\\\\u', '/u')`
  const id = `${text}::json #>> ${pathConstant(path)}`
  const guarded = form === 'json' ? id : `case when ${text} is json then ${id} end`
  const escaped = `'^.*/u${'[0-9a-fA-F]'.repeat(4)}.*$'`
  return `pg_catalog.left(pg_catalog.regexp_replace(${guarded}, ${escaped}, ${ESCAPED}), 255) collate "C"`
}

/**
 * Finds the rows in which the user's id may stand. The last to expire come first.
 *
 * Looking for the id in the text is the cheaper test. It spares a search without an index most of the work,
 * and is all there is for an `old text`. A text with a backslash may spell the id otherwise.
 */
export function ofUser(
  table: string,
  { seconds, expiry, epoch, onPrimary }: Pick<Pieces, 'seconds' | 'expiry' | 'epoch' | 'onPrimary'>,
  path: readonly string[],
  { form, sidType }: { form: SessForm; sidType: string },
): Statement {
  return statement(['user', 'now'], ($) => {
    const keys = `array[pg_catalog.left(pg_catalog.replace(${$.user}, E'\\\\u', '/u'), 255), ${ESCAPED}]`
    const hasKey = form === 'old text' ? '' : `and ${userKey(path, form)} = any(${keys})`
    return `
      select ${rowColumns(sidType ? 's.sid::text' : 's.sid', epoch)}
      from ${table} s
      where (pg_catalog.strpos(s.sess::text, ${$.user}) > 0 or pg_catalog.strpos(s.sess::text, E'\\\\') > 0)
        ${hasKey}
        and ${expiry} >= ${seconds($.now)} and ${onPrimary}
      order by s.expire desc, s.sid`
  })
}

/** The parameter `user` for an id. One that cannot be sent can stand in a row only as an escape. */
export function userParameter(id: string): string {
  return id.includes('\0') || !id.isWellFormed() ? '\\u' : id
}
