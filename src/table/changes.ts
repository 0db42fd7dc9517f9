// The statements that change the rows of a batch. Promises that batches which run at once cannot deadlock, and that a change
// that was given up takes no effect later. Must not know who sends them or why.
//
// Locks: a batch takes its row locks in the order of the sids, in one pass, so two batches cannot wait for each other.
// None waits for a lock of a row longer than it is told. Each change has a second form, which passes over the rows that
// somebody else has locked, and names them: it costs a second lookup, so it is for when the first was held up.
//
// Late: a write that the store has given up must not take effect after a later one, where it waited for a lock of the whole
// table, or its bytes on their way. So each row that is written is first held against the clock.

import { type Pieces, type Statement, statement } from './sql.ts'

export type Change = 'upsert' | 'update' | 'replace' | 'touch' | 'destroy'

/** @param passesOver the second form */
export function changes(
  table: string,
  { seconds, expiry, setting, patience, inTime, lockedInTime, list, sids, asked, held }: Pieces,
  passesOver: boolean,
): Readonly<Record<Change, Statement>> {
  const lock = (strength: string) => `for ${strength} of s${passesOver ? ' skip locked' : ''}`
  const isPassedOver = 'not exists (select from locked l where l.sid = s.sid)'
  /** @param rows from where, and which: those that are not in `locked` are locked by somebody else */
  const answered = ($: Readonly<Record<'separator' | 'sids', string>>, change: string, rows: string) =>
    passesOver
      ? `, changed as (${change}) select ${asked($, 's')}, ${held} ${rows} and ${isPassedOver}`
      : `${change} returning ${asked($, 's')}`

  return {
    upsert: statement(['separator', 'sids', 'latest', 'lockWaitMs', 'expiries', 'texts'], ($) => {
      const rows = `from ${table} s where s.sid = any(${sids($)}) and ${patience($.lockWaitMs)}`
      const insert = (which: string) => `
      insert into ${table} as s (sid, sess, expire)
      select o.sid, o.sess::json, ${seconds('o.expire')}
      from unnest(${sids($)}, ${list($, $.expiries)}, ${list($, $.texts)}) as o(sid, expire, sess)
      where ${which} and ${inTime($.latest)}
      order by o.sid
      on conflict (sid) do update set sess = excluded.sess, expire = excluded.expire where ${inTime($.latest)}`
      if (!passesOver) return `${insert(patience($.lockWaitMs))} returning ${asked($, 's')}`
      return `
      with locked as (
        select s.sid ${rows} order by s.sid ${lock('no key update')}
      ), held as (
        select s.sid ${rows} and ${isPassedOver}
      ), changed as (${insert('not exists (select from held h where h.sid = o.sid)')})
      select ${asked($, 'h')}, ${held} from held h`
    }),

    update: statement(['separator', 'sids', 'latest', 'lockWaitMs', 'expiries', 'aliveAts', 'texts'], ($) => {
      const rows = `
        from unnest(${sids($)}, ${list($, $.expiries)}, ${list($, $.aliveAts)}, ${list($, $.texts)})
          as o(sid, expire, alive_at, sess)
        join ${table} s on s.sid = o.sid
        where ${expiry} >= ${seconds('o.alive_at')} and ${patience($.lockWaitMs)}`
      return `
      with locked as (
        select s.sid, o.sess, o.expire ${rows}
        order by o.sid ${lock('no key update')}
      )
      ${answered(
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
     * An update of the rows that hold the texts `was`. Gives, of each row that is alive, whether it was replaced, and the
     * text it holds then. One that holds the new text already may have it from an attempt whose answer was lost.
     */
    replace: statement(
      ['separator', 'sids', 'latest', 'lockWaitMs', 'expiries', 'aliveAts', 'texts', 'was'],
      ($) => {
        const rows = `
        from unnest(${[sids($), ...[$.expiries, $.aliveAts, $.texts, $.was].map((each) => list($, each))]})
          as o(sid, expire, alive_at, sess, was)
        join ${table} s on s.sid = o.sid
        where ${expiry} >= ${seconds('o.alive_at')} and ${patience($.lockWaitMs)}`
        return `
      with locked as (
        select s.sid, s.sess::text as held, o.sess, o.was, o.expire ${rows}
        order by o.sid ${lock('no key update')}
      ), replaced as (
        update ${table} s
        set sess = l.sess::json, expire = ${seconds('l.expire')}
        from locked l
        where s.sid = l.sid and l.held in (l.was, l.sess) and ${lockedInTime($.latest)}
        returning s.sid, s.sess::text as held
      )
      select ${asked($, 'l')}, (r.sid is not null)::text, coalesce(r.held, l.held)
      from locked l left join replaced r on r.sid = l.sid
      ${passesOver ? `union all select ${asked($, 's')}, ${held}, '' ${rows} and ${isPassedOver}` : ''}`
      },
    ),

    /**
     * Answers before the change is on disk: a server that crashes can lose the last half second of touches, so that a
     * session ends as much earlier, but no save. A row that has the expiry is left as it is: what one page asks for in the
     * same second, from many processes, is written once.
     */
    touch: statement(['separator', 'sids', 'latest', 'lockWaitMs', 'expiries', 'aliveAts'], ($) => {
      const rows = `
        from unnest(${sids($)}, ${list($, $.expiries)}, ${list($, $.aliveAts)}) as o(sid, expire, alive_at)
        join ${table} s on s.sid = o.sid
        where ${expiry} >= ${seconds('o.alive_at')} and ${expiry} <> ${seconds('o.expire')}
          and ${patience($.lockWaitMs)} and ${setting('synchronous_commit', "'off'")}`
      return `
      with locked as (
        select s.sid, o.expire ${rows}
        order by o.sid ${lock('no key update')}
      )
      ${answered(
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
        where s.sid = any(${sids($)}) and ${patience($.lockWaitMs)}`
      return `
      with locked as (
        select s.sid ${rows}
        order by s.sid ${lock('update')}
      )
      ${answered(
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
