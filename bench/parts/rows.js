// Tables with many rows.

import { ours, pgSimple } from '../subjects/roster.js'
import { turns, withServerCost, withWorkers } from './turns.js'

const BYTES = 300

/** @returns one row for each size of the table, operation and subject */
export async function rows(servers, { plan, pools, huge, log }) {
  const { sizes, operations, concurrency, rounds, ms, warmMs, compileMs } = plan.rows
  const subjects = [ours(), pgSimple(pools.direct)]
  const results = []
  for (const size of [...sizes, ...(huge ? [10_000_000] : [])]) {
    await fillBySql(servers.sql, size)
    for (const operation of operations) {
      const work = { operation, rows: size, bytes: BYTES }
      const task = { ...work, concurrency, ms, warmMs }
      const measured = await withWorkers(subjects, servers.at, work, compileMs, (tell) =>
        turns(subjects, rounds, (subject) =>
          withServerCost(servers, subject, task, () => tell(subject, 'run', task)),
        ),
      )
      results.push(...measured.map((row) => ({ rows: size, operation, concurrency, ...row })))
      log(`${size} rows, ${operation}`)
    }
  }
  return results
}

/** By the server itself: through a store it would take minutes. */
async function fillBySql(sql, size) {
  await sql`truncate session`
  await sql`
    insert into session
    select 'bench-' || n,
      json_build_object(
        'cookie', json_build_object(
          'originalMaxAge', 86400000, 'expires', now() + interval '1 day', 'httpOnly', true, 'path', '/'),
        'number', n, 'list', repeat('some "quoted" text ', 7)),
      now() + interval '1 day' + n % 10000 * interval '1 second'
    from generate_series(0, ${size - 1}::int) n`
  await sql`vacuum analyze session`
  await sql`checkpoint`
}
