// Every statement by name, except the DDL. Promises that each takes and returns text only, so that no type
// setting of the driver matters, and that each statement for a batch returns the sid with every row. Must not
// know who sends them or why.

import { type Change, changes } from './changes.ts'
import { constant, type Names } from './names.ts'
import { type Pruning, pruning } from './pruning.ts'
import { pieces, type Sids, type Statement, statement } from './sql.ts'

type Query = 'get' | 'insert' | 'length' | 'ids' | 'entriesAfter' | 'clear' | 'exists' | 'sidType'
export type StatementName = Change | Pruning | Query
export type Statements = Readonly<Record<StatementName, Statement>> & {
  /**
   * The changes in the form that skips locked rows. They return `HELD` in the second column for each of
   * those.
   */
  readonly passingOver: Readonly<Record<Change, Statement>>
}

/** @param sidType see `pieces` */
export function statements({ table }: Names, sidType?: string): Statements {
  const sql = pieces(sidType)
  const { seconds, expiry, epoch, alive, asked, lockTimeout, inTime, list, sids } = sql
  const joinAsked = ($: Sids) =>
    sidType ? ` join unnest(${list($, $.sids)}, ${sids($)}) as o(asked, sid) using (sid)` : ''
  return {
    ...changes(table, sql, false),
    ...pruning(table, sql),
    passingOver: changes(table, sql, true),

    /**
     * Inserts the rows that do not exist. It changes no existing row, so it waits for no lock of one. Returns
     * the texts of the inserted rows.
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
      returning ${asked($, 's')}, s.sess::text`,
    ),

    get: statement(
      ['separator', 'sids', 'now'],
      ($) => `
      select ${sidType ? 'o.asked' : 's.sid'}, s.sess::text, ${epoch}
      from ${table} s${joinAsked($)}
      where s.sid = any(${sids($)}) and ${expiry} >= ${seconds($.now)}`,
    ),

    length: statement(['now'], ($) => `select count(*)::text from ${table} s where ${alive($.now)}`),

    ids: statement(['now'], ($) => `select s.sid::text from ${table} s where ${alive($.now)} order by s.sid`),

    /** The next rows in the order of their sids, after a sid, which is empty for the first rows. */
    entriesAfter: statement(
      ['now', 'after', 'limit'],
      ($) => `
      select ${sidType ? 's.sid::text' : 's.sid'}, s.sess::text, ${epoch}
      from ${table} s
      where ${alive($.now)} and ${
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

    /**
     * Returns the table's name as it is given here, the schema and name of the type of its sids (of the
     * underlying type if that is a domain), and whether the column's collation treats only identical texts as
     * equal.
     */
    sidType: statement(
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
    ),
  }
}
