// Checks of what others do with the table at this moment. Needs no right to see their statements, and shows
// none. Must not know what the table is for.

import type { Columns } from '../../connection/query.ts'
import { type Check, question } from './check.ts'

/** Modes in which nobody else can write, or read. VACUUM takes a weaker one. */
const STRONG = `('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')`

/** What others may see depends on their rights. */
const who = ([pid, role, application, seconds]: Columns): string =>
  `process ${pid}${role ? ` of ${role}` : ''}${application ? ` (${application})` : ''}` +
  `${seconds ? `, for ${seconds} seconds` : ''}`

const WHO = `a.pid::text, a.usename::text, a.application_name,
        pg_catalog.round(extract(epoch from pg_catalog.clock_timestamp() - a.xact_start))::text`

export const activityChecks: readonly Check[] = [
  {
    code: 'lock-held',
    severity: 'warning',
    question: question(
      ['oid'],
      ($) => `
      select ${WHO}, l.mode
      from pg_catalog.pg_locks l join pg_catalog.pg_stat_activity a on a.pid = l.pid
      where l.locktype = 'relation' and l.relation = ${$.oid}::oid and l.granted and l.mode in ${STRONG}
        and a.datname = pg_catalog.current_database()
        and l.pid <> pg_catalog.pg_backend_pid()`,
    ),
    expected: 'no lock on the whole table',
    found: (row) => `${row[4]} of ${who(row)}`,
    meaning: ([, , , , mode]) =>
      mode === 'AccessExclusiveLock'
        ? 'Nobody can read or write a session until it ends: requests wait until `timeout`, or without ' +
          'end with connect-pg-simple.'
        : 'Nobody can save, touch or destroy a session until it ends: requests wait until `timeout`, or ' +
          'without end with connect-pg-simple.',
    fix: ([pid]) => [`select pg_terminate_backend(${pid})`],
  },
  {
    code: 'lock-awaited',
    severity: 'error',
    // A statement of a migration waits for moments in any case.
    question: question(
      ['oid'],
      ($) => `
      select a.pid::text, a.usename::text, a.application_name,
        pg_catalog.round(extract(epoch from pg_catalog.clock_timestamp() - a.query_start))::text, l.mode,
        (
          select pg_catalog.string_agg(pg_catalog.concat_ws(' ', 'process ' || b.pid, 'of ' || b.usename,
            '(' || nullif(b.application_name, '') || ')', b.state), ', ')
          from pg_catalog.pg_stat_activity b where b.pid = any(pg_catalog.pg_blocking_pids(a.pid))
        )
      from pg_catalog.pg_locks l join pg_catalog.pg_stat_activity a on a.pid = l.pid
      where l.locktype = 'relation' and l.relation = ${$.oid}::oid and not l.granted and l.mode in ${STRONG}
        and a.datname = pg_catalog.current_database()
        and coalesce(pg_catalog.clock_timestamp() - a.query_start > interval '1 second', true)`,
    ),
    expected: 'nobody who waits to lock the whole table',
    found: (row) => `${who(row)}, waits for ${row[4]}, because of ${row[5] ?? 'somebody who cannot be seen'}`,
    meaning: ([, , , , mode]) =>
      `${mode === 'AccessExclusiveLock' ? 'Everybody' : 'Everybody who writes'} comes behind it and waits as ` +
      'well, though nobody holds such a lock: requests wait until `timeout`, or without end with ' +
      'connect-pg-simple. The repair takes it out of the queue. Run it again with a short `lock_timeout`, ' +
      'when those have ended that it waits for.',
    fix: ([pid]) => [`select pg_cancel_backend(${pid})`],
  },
  {
    code: 'long-transaction',
    severity: 'warning',
    question: question(
      ['longSeconds'],
      ($) => `
      select ${WHO}, a.state
      from pg_catalog.pg_stat_activity a
      where a.datname = pg_catalog.current_database() and a.pid <> pg_catalog.pg_backend_pid()
        and (a.backend_xmin is not null or a.backend_xid is not null)
        and a.xact_start < pg_catalog.clock_timestamp() - ${$.longSeconds}::float8 * interval '1 second'`,
    ),
    expected: 'short transactions',
    found: (row) => `${who(row)}, ${row[4]}`,
    meaning:
      'While it lasts, vacuum can remove no row that died since it began, in any table of the database, ' +
      'and rows that it has changed stay locked.',
    fix: ([pid]) => [`select pg_terminate_backend(${pid})`],
  },
]
