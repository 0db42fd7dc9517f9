// The statements that delete expired rows. Promises that none deletes a row that is alive, and that none
// waits for a locked row longer than a millisecond. Must not know when they are sent, nor how often.

import type { Columns } from '../connection/query.ts'
import { mismatch } from '../errors.ts'
import { constant } from './names.ts'
import { type Pieces, type Statement, statement } from './sql.ts'

export type Pruning =
  | 'prune'
  | 'prunePlain'
  | 'pruneReturning'
  | 'prunePlainReturning'
  | 'pruneNext'
  | 'prunePages'
  | 'prunePagesUnlocked'

// The key of the advisory lock: an arbitrary number that is the same in every process.
const PRUNE_LOCK = 1_936_028_531

/** What `prune` and `prunePlain` return, each number as text. */
export type PrunedBatch = readonly [
  found: string,
  deleted: string,
  /** The latest expiry among the rows found; null if there is none. */
  latest: string | null,
  /** How many rows with that expiry were kept, as by a trigger. */
  kept: string,
]

/** The sid and the text of a row that was deleted. The text is null if the column is. */
export type DeletedRow = readonly [sid: string, text: string | null]

/**
 * The batch, and the rows that it deleted, if they were returned.
 * @param returns whether the statement returns them
 * @throws StoreError STORE_MISMATCH if there are others than there can be
 */
export function readPruned(
  rows: readonly Columns[],
  returns: boolean,
): { readonly batch: PrunedBatch; readonly deletedRows: readonly DeletedRow[] } {
  const batch = rows.find(([found]) => found !== null)
  const others = rows.filter((row) => row !== batch)
  const isDeleted = ({ 4: sid }: Columns) => typeof sid === 'string'
  if (!batch || others.length !== (returns ? Number(batch[1]) : 0) || !others.every(isDeleted)) {
    throw mismatch()
  }
  return {
    batch: batch as readonly unknown[] as PrunedBatch,
    deletedRows: others.map(({ 4: sid, 5: text = null }) => [sid as string, text]),
  }
}

/** What `prunePages` and `prunePagesUnlocked` return, each number as text. */
export type PrunedPages = readonly [
  deleted: string,
  /** Whether this process got the advisory lock. */
  isOurTurn: 'true' | 'false',
  /** How many the table has; 0 if it cannot be read by pages: before PostgreSQL 14, or if partitioned. */
  pages: string,
]

export function pruning(table: string, { seconds, setting }: Pieces): Readonly<Record<Pruning, Statement>> {
  const tableOid = `${constant(table)}::regclass::oid::int4`
  const pruneLock = `pg_catalog.pg_try_advisory_xact_lock(${PRUNE_LOCK}, ${tableOid})`
  /** As the connection writes and reads it. In seconds it would lose digits before PostgreSQL 12. */
  const place = 's.expire::text'
  /** Rows that have expired, starting at the expiry `from`, or at the earliest one if that is empty. */
  const expiredFrom = ($: { now: string; from: string }) =>
    `s.expire < ${seconds($.now)}
          and s.expire >= coalesce(nullif(${$.from}, '')::timestamptz, '-infinity'::timestamptz)`
  // No rows, of which the planner expects a hundred. It may know the table from a time when it was nearly
  // empty, and expect one expired row. It would then compare each of a thousand with every row of the table.
  // If it expected many more, it would read a table of average size as a whole for the few that a prune
  // usually finds.
  const others = "select null from pg_catalog.json_array_elements('[]')"
  /**
   * Deletes rows in the order of their expiry, after the first `skip`, which cannot be deleted. Returns a
   * `PrunedBatch`.
   * @param returns whether to return the deleted rows, too, each after the columns of a `PrunedBatch`, which
   *   are null for it
   */
  const prune = (condition: string, returns = false) =>
    statement(
      ['now', 'limit', 'from', 'skip'],
      ($) => `
      with expired as (
        select s.sid, s.expire from ${table} s
        where ${condition} ${expiredFrom($)}
        order by s.expire
        limit ${$.limit}::int offset ${$.skip}::int
        for update skip locked
      ), gone as (
        delete from ${table} s using (select sid from expired union all ${others}) e where s.sid = e.sid
        returning s.expire${returns ? ', s.sid::text as sid, s.sess::text as sess' : ''}
      )
      select (select count(*) from expired)::text, (select count(*) from gone)::text, ${place},
        ((select count(*) from expired e where e.expire = s.expire) -
          (select count(*) from gone g where g.expire = s.expire))::text${returns ? ', null, null' : ''}
      from (select max(e.expire) from expired e) as s(expire)
      ${returns ? 'union all select null, null, null, null, g.sid, g.sess from gone g' : ''}`,
    )
  /**
   * Deletes the expired rows on the table's pages from `from` up to, not including, `upTo`. Returns
   * `PrunedPages`.
   * @param which makes the condition for the rows to delete from the condition for the expired rows on those
   *   pages
   */
  const prunePages = (which: (expired: string) => string) =>
    statement(
      ['now', 'from', 'upTo'],
      ($) => `
      with turn as (
        select pages, pages > 0 and ${pruneLock} as mine
        from (
          select case
            when pg_catalog.current_setting('server_version_num')::int < 140000 then 0
            when exists (
              select from pg_catalog.pg_inherits i where i.inhparent = ${constant(table)}::regclass
            ) then 0
            else pg_catalog.pg_relation_size(${constant(table)}::regclass)
              / pg_catalog.current_setting('block_size')::int end
        ) as size(pages)
      ), gone as (
        delete from ${table} s
        where ${which(`(select mine from turn)
          and s.ctid >= pg_catalog.format('(%s,0)', ${$.from})::tid
          and s.ctid < pg_catalog.format('(%s,0)', ${$.upTo})::tid
          and s.expire < ${seconds($.now)}`)}
          and s.expire < ${seconds($.now)}
        returning 1
      )
      select (select count(*) from gone)::text, mine::text, pages::text from turn`,
    )

  return {
    /**
     * See `prune` above. It takes an advisory lock, so that of all processes which prune at once one works
     * and the others delete nothing. The lock ends with the statement, so it is safe behind a pooler.
     */
    prune: prune(`(select ${pruneLock}) and`),

    /** The same for a server without advisory locks. Processes that prune at once delete different rows. */
    prunePlain: prune(''),

    pruneReturning: prune(`(select ${pruneLock}) and`, true),
    prunePlainReturning: prune('', true),

    /** Returns the expiry of the first row that `prune` would find. */
    pruneNext: statement(
      ['now', 'from', 'skip'],
      ($) => `
      select ${place}
      from ${table} s
      where ${expiredFrom($)}
      order by s.expire
      limit 1 offset ${$.skip}::int`,
    ),

    /** Fails with 55P03 if one of the rows is locked. */
    prunePages: prunePages((expired) => `${expired} and ${setting('lock_timeout', "'1ms'")}`),

    /**
     * The same, but skips held rows. It locks the others first and finds them again by their
     * `ctid`, which does not change while they are locked.
     */
    prunePagesUnlocked: prunePages(
      (expired) =>
        `s.ctid = any(array(select s.ctid from ${table} s where ${expired} for update skip locked))`,
    ),
  }
}
