// A million expired rows among live ones, deleted while others are read: by this store in batches, and by one plain DELETE
// as connect-pg-simple does it.

import { median, number, ratio, table } from './figures.js'
import { inside } from './store-level.js'

const OURS = 'connect-postgres-simple'

/** @returns one row for each way, with all its rounds */
export async function prune({ at, sql }, { quick, log }) {
  const [expired, live] = quick ? [100_000, 20_000] : [1_000_000, 200_000]
  const ways = { 'one DELETE': 'connect-pg-simple', 'in batches': OURS }
  const results = Object.keys(ways).map((way) => ({ way, expired, live, rounds: [] }))
  await inside(OURS, at, async (reader) => {
    for (let round = 0; round < (quick ? 1 : 3); round++) {
      for (const row of round % 2 ? results.toReversed() : results) {
        await fill(sql, expired, live)
        const p99 = await inside(ways[row.way], at, async (pruner) => {
          let ended = false
          const began = Date.now()
          const pruning = pruner('prune').finally(() => {
            ended = true
            row.rounds.push({ seconds: (Date.now() - began) / 1000 })
          })
          const reads = []
          while (!ended)
            reads.push(
              await reader('run', { operation: 'get', concurrency: 64, ms: 400, warmMs: 0, rows: live }),
            )
          await pruning
          return median(reads.map((each) => each.p99))
        })
        Object.assign(row.rounds.at(-1), { p99 })
        const [{ left }] = await sql`select count(*)::int as left from session`
        if (left !== live) throw new Error(`${row.way}: ${left} rows are left, not ${live}`)
        log(`prune, ${row.way}`)
      }
    }
  })
  return results
}

async function fill(sql, expired, live) {
  await sql`truncate session`
  await sql`
    insert into session
    select case when n < ${live} then 'bench-' || n else 'dead-' || n end,
      json_build_object('cookie', json_build_object('originalMaxAge', 86400000), 'number', n, 'list', repeat('some text ', 20)),
      now() + case when n < ${live} then interval '1 day' else -n * interval '1 second' end
    from generate_series(0, ${live + expired - 1}::int) n
    order by random()`
  await sql`vacuum analyze session`
  await sql`checkpoint`
}

export function pruneSection(results) {
  const of = (way, field) =>
    median(results.find((row) => row.way === way).rounds.map((round) => round[field]))
  const [{ expired, live }] = results
  return [
    `${expired.toLocaleString('en')} expired rows among ${live.toLocaleString('en')} live ones, while 64 users read those.`,
    '',
    ...table(
      ['', 'seconds', 'p99 of a get, ms'],
      results.map(({ way }) => [way, number(of(way, 'seconds')), number(of(way, 'p99'))]),
    ),
    '',
    `In batches it takes ${ratio(of('in batches', 'seconds'), of('one DELETE', 'seconds'), 2)} the time (at most 2 is wanted), ` +
      `and p99 is ${ratio(of('in batches', 'p99'), of('one DELETE', 'p99'), 2)} (at most 1.5).`,
  ]
}
