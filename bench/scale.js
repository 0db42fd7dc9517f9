// Many rows, and many processes on one database.

import { number, of, ratio, table } from './figures.js'
import { start } from './process.js'
import { compare } from './store-level.js'

const NAMES = ['connect-postgres-simple', 'connect-pg-simple']
const BYTES = 300

/** @returns rows of measurements, each with `rows` or `processes` */
export async function scale({ at, sql, pids }, { quick, huge, log }) {
  const sizes = quick ? [10_000, 100_000] : [10_000, 1_000_000, ...(huge ? [10_000_000] : [])]
  const results = []
  for (const rows of sizes) {
    await fillBySql(sql, rows)
    const workers = new Map()
    for (const name of NAMES) workers.set(name, await start('worker.js', { name, at }))
    for (const operation of ['get', 'get+touch']) {
      const task = { operation, concurrency: 256, ms: 1000, warmMs: 1000, rows, bytes: BYTES }
      results.push(...(await compare(NAMES, workers, pids, task, 5)).map((row) => ({ ...row, rows })))
      log(`${rows} rows, ${operation}`)
    }
    for (const tell of workers.values()) await tell('close')
  }
  await fillBySql(sql, 10_000)
  for (const processes of [1, 2, 4, 8]) {
    results.push(...(await many(at, processes)))
    log(`${processes} processes`)
  }
  return results
}

async function many(at, processes) {
  const rounds = new Map(NAMES.map((name) => [name, []]))
  const task = { operation: 'get+touch', concurrency: 64, ms: 1000, warmMs: 300, rows: 10_000, bytes: BYTES }
  const workers = new Map()
  for (const name of NAMES)
    workers.set(
      name,
      await Promise.all(Array.from({ length: processes }, () => start('worker.js', { name, at }))),
    )
  for (let round = 0; round < 3; round++) {
    for (const name of round % 2 ? NAMES.toReversed() : NAMES) {
      const all = await Promise.all(workers.get(name).map((tell) => tell('run', task)))
      const p99 = Math.max(...all.map((each) => each.p99))
      rounds.get(name).push({ rate: all.reduce((sum, each) => sum + each.rate, 0), p99 })
    }
  }
  for (const tell of [...workers.values()].flat()) await tell('close')
  return NAMES.map((name) => ({ name, processes, rounds: rounds.get(name) }))
}

/** By the server itself: through a store it would take minutes. */
async function fillBySql(sql, rows) {
  await sql`truncate session`
  await sql`
    insert into session
    select 'bench-' || n,
      json_build_object(
        'cookie', json_build_object('originalMaxAge', 86400000, 'expires', now() + interval '1 day', 'httpOnly', true, 'path', '/'),
        'number', n, 'list', repeat('some "quoted" text ', 7)),
      now() + interval '1 day' + n % 10000 * interval '1 second'
    from generate_series(0, ${rows - 1}::int) n`
  await sql`vacuum analyze session`
  await sql`checkpoint`
}

export function scaleSection(results) {
  const [ours, theirs] = NAMES
  const find = (name, wanted) =>
    results.find(
      (row) => row.name === name && Object.entries(wanted).every(([key, value]) => row[key] === value),
    )
  const rate = (name, wanted) => of(find(name, wanted), 'rate')
  const sizes = [...new Set(results.flatMap((row) => row.rows ?? []))]
  const counts = [...new Set(results.flatMap((row) => row.processes ?? []))]
  return [
    '256 at once, sids picked from all rows.',
    '',
    ...table(
      ['operation', 'rows', 'operations/s', 'of the rate at 10,000', `of ${theirs}`],
      ['get', 'get+touch'].flatMap((operation) =>
        sizes.map((rows) => [
          operation,
          rows.toLocaleString('en'),
          number(rate(ours, { operation, rows })),
          ratio(rate(ours, { operation, rows }), rate(ours, { operation, rows: sizes[0] }), 2),
          ratio(rate(ours, { operation, rows }), rate(theirs, { operation, rows })),
        ]),
      ),
    ),
    '',
    'Processes on one database and the same machine, each with 64 users who get and touch.',
    '',
    ...table(
      ['processes', 'requests/s', 'p99 ms', `of ${theirs}`],
      counts.map((processes) => [
        processes,
        number(rate(ours, { processes })),
        number(of(find(ours, { processes }), 'p99')),
        ratio(rate(ours, { processes }), rate(theirs, { processes })),
      ]),
    ),
  ]
}
