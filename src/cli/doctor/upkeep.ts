// Checks of whether anybody prunes, and whether autovacuum keeps up. Promises to count no rows. Must not know
// what rows hold.

import type { Columns } from '../../connection/query.ts'
import { number } from '../screen.ts'
import { type Check, question } from './check.ts'

/** Of a table, or of the server if the table does not say. */
const option = (name: string) => `coalesce((
    select o.option_value
    from pg_catalog.pg_options_to_table(c.reloptions) as o where o.option_name = '${name}'
  ), pg_catalog.current_setting('${name}'))`

const shareOf = ([dead, live]: Columns): string => {
  const share = (100 * Number(dead)) / (Number(dead) + Number(live))
  return `${number(Number(dead))} dead rows, ${Math.round(share)} % of all`
}

export const upkeepChecks: readonly Check[] = [
  {
    code: 'dead-rows',
    severity: 'warning',
    question: question(
      ['oid'],
      ($) => `
      select s.n_dead_tup::text, s.n_live_tup::text
      from pg_catalog.pg_stat_all_tables s
      where s.relid = ${$.oid}::oid and s.n_dead_tup > 5000 and s.n_dead_tup > s.n_live_tup`,
    ),
    expected: 'fewer dead rows than live ones',
    found: shareOf,
    meaning: 'The table takes more than twice the space that it needs, and prunes and counts read all of it.',
    fix: (_, { table }) => [`vacuum (analyze) ${table}`],
  },
  {
    code: 'autovacuum-off',
    severity: 'warning',
    question: question(
      ['oid'],
      ($) => `
      select o.option_value, pg_catalog.current_setting('autovacuum')
      from pg_catalog.pg_class c
      left join pg_catalog.pg_options_to_table(c.reloptions) as o on o.option_name = 'autovacuum_enabled'
      where c.oid = ${$.oid}::oid and c.relkind = 'r'
        and not (pg_catalog.current_setting('autovacuum')::boolean
          and coalesce(o.option_value::boolean, true))`,
    ),
    expected: 'autovacuum on',
    found: ([, ofServer]) => (ofServer === 'off' ? 'off for the whole server' : 'off for this table'),
    meaning:
      'Every save and most touches of either store leave a dead row behind. Nothing removes them, and the ' +
      'table grows without end.',
    fix: ([, ofServer], { table }) =>
      ofServer === 'off'
        ? ['alter system set autovacuum = on', 'select pg_reload_conf()']
        : [`alter table ${table} reset (autovacuum_enabled)`],
  },
  {
    code: 'autovacuum-behind',
    severity: 'warning',
    // Autovacuum comes at once, once a minute for each database, and again when it has been refused a lock.
    question: question(
      ['oid'],
      ($) => `
      select s.n_dead_tup::text, s.n_live_tup::text,
        pg_catalog.to_char(s.last_autovacuum at time zone 'UTC', 'YYYY-MM-DD HH24:MI "UTC"')
      from pg_catalog.pg_stat_all_tables s join pg_catalog.pg_class c on c.oid = s.relid
      where s.relid = ${$.oid}::oid and s.n_dead_tup > 1000 and s.n_dead_tup > 3 * (
          ${option('autovacuum_vacuum_threshold')}::float8
          + ${option('autovacuum_vacuum_scale_factor')}::float8 * greatest(c.reltuples, 0)
        ) and coalesce(s.last_autovacuum < pg_catalog.now() - interval '1 hour', true)`,
    ),
    expected: 'an autovacuum within the last hour, as dead rows are three times what calls for one',
    found: (row) =>
      `${shareOf(row)}; ${row[2] ? `the last autovacuum was at ${row[2]}` : 'there was no autovacuum yet'}`,
    meaning:
      'All its workers are busy, it is slowed down too much, or an old transaction or replication slot ' +
      'keeps it from removing rows.',
    fix: (_, { table }) => [`vacuum (analyze) ${table}`],
  },
]
