// Every statement on the table by name, except its creation. Promises that each takes and returns text only,
// so that no type setting of the driver matters, and that each statement for a batch returns the sid with
// every row. Must not know who sends them or why.

import { type Change, changes } from './changes.ts'
import { healthStatement } from './health.ts'
import { constant, type Names } from './names.ts'
import { type Pruning, pruning } from './pruning.ts'
import { rowColumns } from './row.ts'
import { type SessForm, sessFormStatement } from './sess-form.ts'
import { sidTypeStatement } from './sid-type.ts'
import { pieces, type Sids, type Statement, statement } from './sql.ts'
import { ofUser } from './user-key.ts'

type Query =
  | 'get'
  | 'insert'
  | 'length'
  | 'ids'
  | 'entriesAfter'
  | 'clear'
  | 'exists'
  | 'sidType'
  | 'sessForm'
  | 'health'
export type StatementName = Change | Pruning | Query
export type Statements = Readonly<Record<StatementName, Statement>> & {
  /** The changes in the form that skips held rows, and says so by `isHeld`. */
  readonly skipping: Readonly<Record<Change, Statement>>
  ofUser(path: readonly string[], form: SessForm): Statement
}

/** @param sidType see `pieces` */
export function statements(names: Names, sidType?: string): Statements {
  const { table } = names
  const sql = pieces(sidType)
  const { seconds, expiry, epoch, alive, asked, lockTimeout, onPrimary, inTime, list, sids } = sql
  const joinAsked = ($: Sids) =>
    sidType ? ` join unnest(${list($, $.sids)}, ${sids($)}) as o(asked, sid) using (sid)` : ''
  return {
    ...changes(table, sql, false),
    ...pruning(table, sql),
    skipping: changes(table, sql, true),

    /**
     * Inserts the rows that do not exist. It changes no existing row, so it waits for no lock of one. Returns
     * `Replaced` for the inserted rows.
     */
    insert: statement(
      ['separator', 'sids', 'latest', 'lockWaitMs', 'expiries', 'texts'],
      ($) => `
      insert into ${table} as s (sid, sess, expire)
      select o.sid, o.sess::json, ${seconds('o.expire')}
      from unnest(${sids($)}, ${list($, $.expiries)}, ${list($, $.texts)}) as o(sid, expire, sess)
      where ${lockTimeout($.lockWaitMs)} and ${inTime($.latest)}
      order by o.sid
      on conflict (sid) do nothing
      returning ${asked($, 's')}, 'true'::text, s.sess::text`,
    ),

    /** Returns a `Row` for each row that is alive. */
    get: statement(
      ['separator', 'sids', 'now'],
      ($) => `
      select ${rowColumns(sidType ? 'o.asked' : 's.sid', epoch)}
      from ${table} s${joinAsked($)}
      where s.sid = any(${sids($)}) and ${expiry} >= ${seconds($.now)} and ${onPrimary}`,
    ),

    length: statement(
      ['now'],
      ($) => `select count(*)::text from ${table} s where ${alive($.now)} and ${onPrimary}`,
    ),

    ids: statement(
      ['now'],
      ($) => `select s.sid::text from ${table} s where ${alive($.now)} and ${onPrimary} order by s.sid`,
    ),

    /** Returns the next `Row`s in the order of their sids, after a sid, which is empty for the first rows. */
    entriesAfter: statement(
      ['now', 'after', 'limit'],
      ($) => `
      select ${rowColumns(sidType ? 's.sid::text' : 's.sid', epoch)}
      from ${table} s
      where ${alive($.now)} and ${onPrimary} and ${
        sidType ? `(${$.after} = '' or s.sid > nullif(${$.after}, '')::${sidType})` : `s.sid > ${$.after}`
      }
      order by s.sid
      limit ${$.limit}::int`,
    ),

    clear: statement(
      ['latest', 'lockWaitMs'],
      ($) => `
      with gone as (
        delete from ${table} where ${lockTimeout($.lockWaitMs)} and ${inTime($.latest)} returning 1
      )
      select count(*)::text from gone`,
    ),

    /**
     * The name is part of the text because the parameter of to_regclass had another type in PostgreSQL 9.5.
     */
    exists: statement([], () => `select (pg_catalog.to_regclass(${constant(table)}) is not null)::text`),

    sidType: sidTypeStatement(table),
    sessForm: sessFormStatement(table),

    ofUser: (path, form) => ofUser(table, sql, path, { form, sidType: sidType ?? '' }),

    health: healthStatement(names),
  }
}
