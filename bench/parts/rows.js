// Tables with many rows, and one of them in partitions.

import { fillBySql } from '../servers/rows.js'
import { ours, pgSimple } from '../subjects/roster.js'
import { turns, withServerCost, withWorkers } from './turns.js'

const BYTES = 300
const PARTITIONS = 8
/** As the workloads expect it. */
const data = (sql) => sql`'number', n, 'list', repeat('some "quoted" text ', 7)`

/** @returns one row for each table, operation and subject */
export async function rows(servers, { plan, pools, huge, log }) {
  const { sizes, partitioned, operations, concurrency, rounds, ms, warmMs, compileMs } = plan.rows
  const subjects = [ours(), pgSimple(pools.direct)]
  const results = []
  const tables = [...sizes, ...(huge ? [10_000_000] : [])].map((size) => ({ size, partitions: 0 }))
  for (const { size, partitions } of [...tables, { size: partitioned, partitions: PARTITIONS }]) {
    if (partitions > 0) await partition(servers.sql, partitions)
    await fillBySql(servers.sql, size, data(servers.sql))
    for (const operation of operations) {
      const work = { operation, rows: size, bytes: BYTES }
      const task = { ...work, concurrency, ms, warmMs }
      const measured = await withWorkers(subjects, servers.at, work, compileMs, (tell) =>
        turns(subjects, rounds, (subject) =>
          withServerCost(servers, subject, task, () => tell(subject, 'run', task)),
        ),
      )
      results.push(...measured.map((row) => ({ rows: size, partitions, operation, concurrency, ...row })))
      log(`${size} rows${partitions > 0 ? ' in partitions' : ''}, ${operation}`)
    }
  }
  return results
}

/** By hash of the sid, the only key that leaves each sid unique. */
async function partition(sql, count) {
  await sql`alter table session rename to whole`
  await sql`create table session (like whole including all) partition by hash (sid)`
  for (let i = 0; i < count; i++) {
    const values = `with (modulus ${count}, remainder ${i})`
    await sql.unsafe(`create table session_${i} partition of session for values ${values}`)
  }
  await sql`drop table whole`
}
