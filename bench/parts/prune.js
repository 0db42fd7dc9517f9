// A million expired rows among live ones, deleted while others are read: by this store in batches, and by
// one plain DELETE as connect-pg-simple does it.

import { median } from '../report/figures.js'
import { inside } from '../servers/process.js'
import { ours, pgSimple } from '../subjects/roster.js'
import { turns } from './turns.js'

/** @returns one row for each size and way, with all its rounds */
export async function prune(servers, { plan, huge, log }) {
  const plans = [plan.prune, ...(huge ? [{ expired: 1_000_000, live: 9_000_000, rounds: 1 }] : [])]
  const results = []
  for (const { expired, live, rounds } of plans) {
    const rows = await inside(ours(), servers.at, (reader) =>
      turns([ours(), pgSimple()], rounds, async (subject) => {
        await fill(servers.sql, expired, live)
        const round = await inside(subject, servers.at, (pruner) => whileReading(pruner, reader, live))
        const [{ left }] = await servers.sql`select count(*)::int as left from session`
        if (left !== live) throw new Error(`${subject.name}: ${left} rows are left, not ${live}`)
        log(`prune of ${expired} among ${live} rows by ${subject.name}`)
        return round
      }),
    )
    results.push(...rows.map((row) => ({ expired, live, ...row })))
  }
  return results
}

async function whileReading(pruner, reader, live) {
  let took
  const began = Date.now()
  const pruning = pruner('prune').then(() => {
    took = Date.now() - began
  })
  const reads = []
  const task = { operation: 'get', concurrency: 64, ms: 400, warmMs: 0, rows: live }
  while (took === undefined) reads.push(await reader('run', task))
  await pruning
  return { seconds: took / 1000, p99: median(reads.map((each) => each.p99)) }
}

async function fill(sql, expired, live) {
  await sql`truncate session`
  await sql`
    insert into session
    select case when n < ${live} then 'bench-' || n else 'dead-' || n end,
      json_build_object(
        'cookie', json_build_object('originalMaxAge', 86400000),
        'number', n, 'list', repeat('some text ', 20)),
      now() + case when n < ${live} then interval '1 day' else -n * interval '1 second' end
    from generate_series(0, ${live + expired - 1}::int) n
    order by random()`
  await sql`vacuum analyze session`
  await sql`checkpoint`
}
