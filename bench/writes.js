// What requests leave behind in the database: versions of rows, and bytes of the write-ahead log.

import { number, table } from './figures.js'
import { inside } from './store-level.js'

const ROWS = 5000
const SUBJECTS = [
  ['connect-pg-simple', undefined],
  ['connect-postgres-simple', undefined],
  ['connect-postgres-simple', { touchInterval: 60 }],
]

/** Each user comes once, and came before within the last two minutes. */
export async function writes({ at, sql }, { log }) {
  const results = []
  for (const [name, options] of SUBJECTS) {
    await sql`truncate session`
    await sql`
      insert into session
      select 'bench-' || n,
        json_build_object('cookie', json_build_object('originalMaxAge', 86400000, 'expires', now() + interval '1 day'), 'number', n),
        now() + interval '1 day' - n * interval '120 seconds' / ${ROWS}::int
      from generate_series(0, ${ROWS - 1}::int) n`
    await sql`vacuum analyze session`
    // Without it the first change of each page would log the page as a whole.
    await sql`checkpoint`
    const before = await look(sql)
    await inside(name, at, (tell) => tell('each', { operation: 'visit', rows: ROWS }), { options })
    const after = await look(sql)
    const per1000 = (field) => ((after[field] - before[field]) / ROWS) * 1000
    results.push({ name, options, versions: per1000('versions'), bytes: per1000('bytes') })
    log(`writes of ${name} ${JSON.stringify(options ?? {})}`)
  }
  return results
}

async function look(sql) {
  // A backend counts for itself, and tells when it ends.
  await new Promise((resume) => setTimeout(resume, 1500))
  const [row] = await sql`
    select n_tup_upd::float8 as versions, pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::float8 as bytes
    from pg_stat_user_tables where relname = 'session'`
  return row
}

export function writesSection(results) {
  return [
    'Per 1,000 requests that change nothing, each of another user who came before within the last two minutes. A version of ',
    'a row that is replaced is a dead tuple until it is vacuumed.',
    '',
    ...table(
      ['store', 'dead tuples', 'KB of WAL'],
      results.map(({ name, options, versions, bytes }) => [
        options ? `${name}, touchInterval ${options.touchInterval}` : name,
        number(versions),
        number(bytes / 1000),
      ]),
    ),
  ]
}
