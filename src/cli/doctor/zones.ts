// Compares the TimeZone of this connection with those that services under other roles get. Promises that
// zones which are never apart this year count as the same. Must not know what the zone is used for.
//
// The column `expire` has no zone. Both stores write and compare it in that of their connection.

import type { Columns } from '../../connection/query.ts'
import { quoted } from '../../table/names.ts'
import { type Facts, question, type Repairable } from './check.ts'
import { ask, type Probe, repairable, type Visit } from './probe.ts'

/** The zone of this connection, and where that comes from. */
const MINE = `
  select s.setting, s.source from pg_catalog.pg_settings s where s.name = 'TimeZone'`

/** The zones of roles that may read the table, and of the database. What is set for it comes first. */
const OF_ROLES = question(
  ['oid'],
  ($) => `
  select pg_catalog.substr(c.setting, pg_catalog.strpos(c.setting, '=') + 1), r.rolname::text, d.datname::text
  from pg_catalog.pg_db_role_setting s
  cross join lateral pg_catalog.unnest(s.setconfig) as c(setting)
  left join pg_catalog.pg_roles r on r.oid = s.setrole
  left join pg_catalog.pg_database d on d.oid = s.setdatabase
  where pg_catalog.lower(c.setting) like 'timezone=%'
    and (s.setdatabase = 0 or d.datname = pg_catalog.current_database())
    and (s.setrole = 0 or pg_catalog.has_table_privilege(s.setrole, ${$.oid}::oid, 'select'))
    and not exists (
      select from pg_catalog.pg_db_role_setting o
      cross join lateral pg_catalog.unnest(o.setconfig) as c(setting)
      join pg_catalog.pg_database d on d.oid = o.setdatabase
      where s.setdatabase = 0 and o.setrole = s.setrole and d.datname = pg_catalog.current_database()
        and pg_catalog.lower(c.setting) like 'timezone=%'
    )`,
)

/** What the server's files say. Only few roles may ask. */
const OF_SERVER = `
  select f.setting
  from pg_catalog.pg_file_settings f where pg_catalog.lower(f.name) = 'timezone' and f.applied`

/** Where the server's own zone comes from, if nothing closer decides. */
const OWN = ['default', 'configuration file', 'command line', 'environment variable', 'override']

export const zones: Probe = {
  codes: ['time-zones'],
  async look(visit) {
    const { pool, subject } = visit
    const [[mine, source] = []] = await ask(pool, MINE)
    const rows = await ask(pool, OF_ROLES.text, [subject.facts.oid satisfies Facts['oid']])
    const others = rows.filter(([zone]) => !isSame(zone, mine))
    const findings = others.map((row) => differing(visit, String(mine), row))
    if (OWN.includes(String(source))) return findings
    const ofServer = await ask(pool, OF_SERVER).catch(() => [])
    const [zone] = ofServer.at(-1) ?? []
    if (zone && !isSame(zone, mine) && !rows.some(([, role, database]) => !role && database))
      findings.push(ofTheServer(visit, String(mine), String(source), zone))
    return findings
  },
}

const MEANING =
  'A service in another zone writes and reads the expiry hours off, so that sessions end too early or too ' +
  'late. That holds for both stores. All services on the table need the same zone.'

function differing({ subject }: Visit, mine: string, [zone, role, database]: Columns): Repairable {
  const whose = role ? `role ${quoted(role)}${database ? ` in database ${quoted(database)}` : ''}` : ''
  const target = whose || `database ${database ? quoted(database) : subject.database}`
  return repairable(
    {
      code: 'time-zones',
      severity: 'warning',
      expected: `${mine}, the TimeZone of this connection, for all that use the table`,
      found: `${zone} for ${target}`,
      meaning: MEANING,
    },
    [`alter ${target} set timezone = '${mine.replaceAll("'", "''")}'`],
  )
}

function ofTheServer({ subject }: Visit, mine: string, source: string, zone: string): Repairable {
  const fix = `alter database ${subject.database} set timezone = '${mine.replaceAll("'", "''")}'`
  return repairable(
    {
      code: 'time-zones',
      severity: 'warning',
      expected: `${mine}, the TimeZone of this connection, for all that use the table`,
      found: `${zone} for roles that do not set it: here it comes from the ${source}`,
      meaning: MEANING,
    },
    [fix],
  )
}

/** Whether two zones have the same offset throughout this year. */
function isSame(one: unknown, other: unknown): boolean {
  const [a, b] = [String(one).toLowerCase(), String(other).toLowerCase()]
  if (a === b) return true
  const offsets = offsetsOf(a)
  return offsets !== undefined && offsets === offsetsOf(b)
}

/** Undefined for what is no name of a zone, as `-3`. */
function offsetsOf(timeZone: string): string | undefined {
  try {
    const format = new Intl.DateTimeFormat('en-US', { timeZone, timeZoneName: 'longOffset' })
    const year = new Date().getFullYear()
    // Every ten days, as daylight saving starts and ends on different days.
    const days = Array.from({ length: 37 }, (_, i) => new Date(Date.UTC(year, 0, 1 + 10 * i)))
    return days
      .map((day) => format.formatToParts(day).find(({ type }) => type === 'timeZoneName')?.value)
      .join()
  } catch {
    return undefined
  }
}
