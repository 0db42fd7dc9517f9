// The statements that change the rows of a batch. Promises that concurrent batches cannot deadlock, and that
// a change which the store has given up takes no effect later. Must not know who sends them or why.
//
// Locks: a batch takes its row locks in one pass, in the order of the sids, so no two batches can wait for
// each other. No batch waits for a row lock longer than `lockWaitMs`. Each change has a second form that
// skips held rows, which are those that somebody else has locked, and says which. It needs a second lookup,
// so it is used only after a lock timeout. In the SQL, `locked` are the rows that the statement itself has
// locked.
//
// Late writes: a write that the store has given up must not take effect after a later write of the same
// session. It could, if it had waited for a lock of the whole table, or if its bytes had been delayed in the
// network. So the server's clock is checked against the write's deadline after the locks were taken.

import type { Columns } from '../connection/query.ts'
import { type Pieces, type Sids, type Statement, statement } from './sql.ts'

export type Change = 'upsert' | 'update' | 'replace' | 'touch' | 'destroy'

/** In the second column, behind the sid: the row was skipped because somebody else holds it. */
const HELD = 'held'

/** Whether the columns of a change say that its row was skipped. */
export const isHeld = (columns: Columns | undefined): boolean => columns?.[1] === HELD

/**
 * The columns of `replace` and `insert`: the sid, whether the row now holds the new text because of this
 * statement or an earlier attempt, and the text that it holds.
 */
export type Replaced = readonly [sid: string, isReplaced: 'true' | 'false', stored: string]

/** @param skipsHeld whether to give the second form, which skips held rows */
export function changes(
  table: string,
  { seconds, expiry, setting, lockTimeout, inTime, lockedInTime, list, sids, asked }: Pieces,
  skipsHeld: boolean,
): Readonly<Record<Change, Statement>> {
  const heldMark = `'${HELD}'::text`
  const lock = (strength: string) => `for ${strength} of s${skipsHeld ? ' skip locked' : ''}`
  const isSkipped = 'not exists (select from locked l where l.sid = s.sid)'
  /**
   * Lets a change return the sids of its rows; in the second form also those of the rows that it skipped.
   * @param rows the `from` and `where` of the rows to change: those of them that are not in `locked` were
   *   skipped, as somebody else holds them
   */
  const returning = ($: Sids, change: string, rows: string) =>
    skipsHeld
      ? `, changed as (${change}) select ${asked($, 's')}, ${heldMark} ${rows} and ${isSkipped}`
      : `${change} returning ${asked($, 's')}`

  return {
    upsert: statement(['separator', 'sids', 'latest', 'lockWaitMs', 'expiries', 'texts'], ($) => {
      const rows = `from ${table} s where s.sid = any(${sids($)}) and ${lockTimeout($.lockWaitMs)}`
      const insert = (which: string) => `
      insert into ${table} as s (sid, sess, expire)
      select o.sid, o.sess::json, ${seconds('o.expire')}
      from unnest(${sids($)}, ${list($, $.expiries)}, ${list($, $.texts)}) as o(sid, expire, sess)
      where ${which} and ${inTime($.latest)}
      order by o.sid
      on conflict (sid) do update set sess = excluded.sess, expire = excluded.expire
        where ${inTime($.latest)}`
      if (!skipsHeld) return `${insert(lockTimeout($.lockWaitMs))} returning ${asked($, 's')}`
      return `
      with locked as (
        select s.sid ${rows} order by s.sid ${lock('no key update')}
      ), held as (
        select s.sid ${rows} and ${isSkipped}
      ), changed as (${insert('not exists (select from held h where h.sid = o.sid)')})
      select ${asked($, 'h')}, ${heldMark} from held h`
    }),

    update: statement(['separator', 'sids', 'latest', 'lockWaitMs', 'expiries', 'aliveAts', 'texts'], ($) => {
      const rows = `
        from unnest(${sids($)}, ${list($, $.expiries)}, ${list($, $.aliveAts)}, ${list($, $.texts)})
          as o(sid, expire, alive_at, sess)
        join ${table} s on s.sid = o.sid
        where ${expiry} >= ${seconds('o.alive_at')} and ${lockTimeout($.lockWaitMs)}`
      return `
      with locked as (
        select s.sid, o.sess, o.expire ${rows}
        order by o.sid ${lock('no key update')}
      )
      ${returning(
        $,
        `
      update ${table} s
      set sess = l.sess::json, expire = ${seconds('l.expire')}
      from locked l
      where s.sid = l.sid and ${lockedInTime($.latest)}`,
        rows,
      )}`
    }),

    /**
     * Updates the rows that hold the texts `was`. Returns `Replaced` for each row that is alive. A row that
     * already holds the new text counts as replaced: an earlier attempt may have written it, whose answer was
     * lost.
     */
    replace: statement(
      ['separator', 'sids', 'latest', 'lockWaitMs', 'expiries', 'aliveAts', 'texts', 'was'],
      ($) => {
        const rows = `
        from unnest(${[sids($), ...[$.expiries, $.aliveAts, $.texts, $.was].map((texts) => list($, texts))]})
          as o(sid, expire, alive_at, sess, was)
        join ${table} s on s.sid = o.sid
        where ${expiry} >= ${seconds('o.alive_at')} and ${lockTimeout($.lockWaitMs)}`
        return `
      with locked as (
        select s.sid, s.sess::text as stored, o.sess, o.was, o.expire ${rows}
        order by o.sid ${lock('no key update')}
      ), replaced as (
        update ${table} s
        set sess = l.sess::json, expire = ${seconds('l.expire')}
        from locked l
        where s.sid = l.sid and l.stored in (l.was, l.sess) and ${lockedInTime($.latest)}
        returning s.sid, s.sess::text as stored
      )
      select ${asked($, 'l')}, (r.sid is not null)::text, coalesce(r.stored, l.stored)
      from locked l left join replaced r on r.sid = l.sid
      ${skipsHeld ? `union all select ${asked($, 's')}, ${heldMark}, '' ${rows} and ${isSkipped}` : ''}`
      },
    ),

    /**
     * Commits without waiting for the disk. If the server crashes, about the last half second of touches can
     * be lost, so that sessions end that much earlier; no save is lost. A row that already has the expiry is
     * not written: requests of one page that reach several processes within a second cause one write.
     */
    touch: statement(['separator', 'sids', 'latest', 'lockWaitMs', 'expiries', 'aliveAts'], ($) => {
      const rows = `
        from unnest(${sids($)}, ${list($, $.expiries)}, ${list($, $.aliveAts)}) as o(sid, expire, alive_at)
        join ${table} s on s.sid = o.sid
        where ${expiry} >= ${seconds('o.alive_at')} and ${expiry} <> ${seconds('o.expire')}
          and ${lockTimeout($.lockWaitMs)} and ${setting('synchronous_commit', "'off'")}`
      return `
      with locked as (
        select s.sid, o.expire ${rows}
        order by o.sid ${lock('no key update')}
      )
      ${returning(
        $,
        `
      update ${table} s
      set expire = ${seconds('l.expire')}
      from locked l
      where s.sid = l.sid and ${lockedInTime($.latest)}`,
        rows,
      )}`
    }),

    destroy: statement(['separator', 'sids', 'latest', 'lockWaitMs'], ($) => {
      const rows = `
        from ${table} s
        where s.sid = any(${sids($)}) and ${lockTimeout($.lockWaitMs)}`
      return `
      with locked as (
        select s.sid ${rows}
        order by s.sid ${lock('update')}
      )
      ${returning(
        $,
        `
      delete from ${table} s
      using locked l
      where s.sid = l.sid and ${lockedInTime($.latest)}`,
        rows,
      )}`
    }),
  }
}
