// The statements that delete expired rows. Promise that none deletes a row that is alive or waits for one that is locked.
// Must not know when they are sent, nor how often.

import { constant } from './names.ts'
import { type Pieces, type Statement, statement } from './sql.ts'

export type Pruning = 'prune' | 'prunePlain' | 'pruneNext' | 'prunePages' | 'prunePagesUnlocked'

// Any constant will do, as long as every instance of the store has the same.
const PRUNE_LOCK = 1_936_028_531

export function pruning(
  table: string,
  { seconds, epoch, setting }: Pieces,
): Readonly<Record<Pruning, Statement>> {
  const pruneLock = `pg_catalog.pg_try_advisory_xact_lock(${PRUNE_LOCK}, ${constant(table)}::regclass::oid::int4)`
  /** From an expiry on, or from the first where `from` is empty. */
  const expiredFrom = ($: { now: string; from: string }) =>
    `s.expire < ${seconds($.now)}
          and s.expire >= coalesce(${seconds(`nullif(${$.from}, '')`)}, '-infinity'::timestamptz)`
  /**
   * In the order of their expiry, passing over the first `skip`, which stay. Gives the number found, the
   * number deleted, the last expiry of those found, and how many of that expiry stayed, as a trigger may
   * want.
   */
  const prune = (condition: string) =>
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
        delete from ${table} s using expired e where s.sid = e.sid returning s.expire
      )
      select (select count(*) from expired)::text, (select count(*) from gone)::text, ${epoch},
        ((select count(*) from expired e where e.expire = s.expire) -
          (select count(*) from gone g where g.expire = s.expire))::text
      from (select max(e.expire) from expired e) as s(expire)`,
    )
  /**
   * The expired rows on the pages of the table from one up to a later one. Gives the number deleted, whether it was this one's
   * turn, and how many pages the table has: none where it cannot be read in parts, before PostgreSQL 14 or because it is
   * partitioned.
   * @param which of the expired rows on those pages
   */
  const prunePages = (which: (expired: string) => string) =>
    statement(
      ['now', 'from', 'upTo'],
      ($) => `
      with turn as (
        select pages, pages > 0 and ${pruneLock} as mine
        from (
          select case when pg_catalog.current_setting('server_version_num')::int < 140000 then 0
            else pg_catalog.pg_relation_size(${constant(table)}::regclass) / pg_catalog.current_setting('block_size')::int end
        ) as size(pages)
      ), gone as (
        delete from ${table} s
        where ${which(`(select mine from turn)
          and s.ctid >= pg_catalog.format('(%s,0)', ${$.from})::tid and s.ctid < pg_catalog.format('(%s,0)', ${$.upTo})::tid
          and s.expire < ${seconds($.now)}`)}
          and s.expire < ${seconds($.now)}
        returning 1
      )
      select (select count(*) from gone)::text, mine::text, pages::text from turn`,
    )

  return {
    /**
     * See `prune`. The lock is held for this statement only, which is safe behind a pooler too: of many
     * instances that prune at once one works, the others delete nothing.
     */
    prune: prune(`(select ${pruneLock}) and`),

    /** For a server without such a lock: who is at it at once takes other rows. */
    prunePlain: prune(''),

    /** The expiry of the first expired row that `prune` would find. */
    pruneNext: statement(
      ['now', 'from', 'skip'],
      ($) => `
      select ${epoch}
      from ${table} s
      where ${expiredFrom($)}
      order by s.expire
      limit 1 offset ${$.skip}::int`,
    ),

    prunePages: prunePages((expired) => `${expired} and ${setting('lock_timeout', "'1ms'")}`),

    /** The same where one of the rows is locked: that one stays. It is found again by its place, its own while locked here. */
    prunePagesUnlocked: prunePages(
      (expired) =>
        `s.ctid = any(array(select s.ctid from ${table} s where ${expired} for update skip locked))`,
    ),
  }
}
