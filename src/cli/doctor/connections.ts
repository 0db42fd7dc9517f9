// Checks of how many connections there may be. Must not know who opens them.

import { type Check, nothing, question } from './check.ts'

/**
 * What roles that are no superusers can have, by what bounds it, and how many of it are in use.
 * `reserved_connections` came with PostgreSQL 16.
 */
const ALLOWED = `
      select b.allowed, b.by, (
        select count(*) from pg_catalog.pg_stat_activity a
        where a.datname is not null and case b.by
          when 'database' then a.datname = pg_catalog.current_database()
          when 'role' then a.usename = current_user
          else true end
      ) as used
      from (
        select pg_catalog.current_setting('max_connections')::int
          - pg_catalog.current_setting('superuser_reserved_connections')::int
          - coalesce(pg_catalog.current_setting('reserved_connections', true)::int, 0), 'server'
        union all
        select d.datconnlimit, 'database'
        from pg_catalog.pg_database d
        where d.datname = pg_catalog.current_database() and d.datconnlimit >= 0
        union all
        select r.rolconnlimit, 'role'
        from pg_catalog.pg_roles r
        where r.rolname = current_user and r.rolconnlimit >= 0
      ) as b(allowed, by)`

/** A limit with room for the reserved connections and for others. */
const limitFor = (needed: number): number => Math.ceil((needed + 20) / 10) * 10

export const connectionChecks: readonly Check[] = [
  {
    code: 'connections-needed',
    severity: 'error',
    question: question(
      ['processes', 'max'],
      ($) => `
      select ${$.processes}, ${$.max}, allowed::text, by
      from (${ALLOWED}) as c
      where nullif(${$.processes}, '')::int * ${$.max}::int > allowed
      order by allowed limit 1`,
    ),
    expected: ([processes, max]) =>
      `${Number(processes) * Number(max)} connections, for ${processes} processes with \`max: ${max}\``,
    found: ([, , allowed, by]) => `${allowed} are allowed, by the limit of the ${by}`,
    meaning:
      'Under load some operations fail with 53300, or wait for others until `timeout`. A lower `max` often ' +
      'does: this store shares statements between operations, connect-pg-simple does not. So does a pooler.',
    fix([processes, max, , by], { role, database }) {
      const limit = limitFor(Number(processes) * Number(max))
      if (by === 'server') return [`alter system set max_connections = ${limit}`]
      return [`alter ${by === 'role' ? `role ${role}` : `database ${database}`} connection limit ${limit}`]
    },
  },
  {
    code: 'connections-used',
    severity: 'warning',
    question: question(
      [],
      () => `
      select used::text, allowed::text, by from (${ALLOWED}) as c
      where used >= 0.9 * allowed
      order by allowed - used limit 1`,
    ),
    expected: 'a tenth of the connections free',
    found: ([used, allowed, by]) => `${used} of ${allowed} in use, by the limit of the ${by}`,
    meaning:
      'A service that starts, or a store that opens another connection under load, is refused with 53300.',
    fix: nothing,
  },
]
