// Closed loops of operations on stores, at several numbers at once. Knows nothing of whether a network is
// between.

import { inside } from '../servers/process.js'
import { turns, withServerCost, withWorkers } from './turns.js'

/** How many sessions there are: fewer if they are large. */
const rowsOf = (bytes) => Math.min(2000, Math.ceil(40_000_000 / bytes))

/**
 * @param {{ at: object, pids: object, sql: import('postgres').Sql }} servers
 * @param {import('../subjects/roster.js').Subject[]} subjects
 * @param {{ operations: string[], concurrencies: number[], bytes: number, rounds: number, ms: number,
 *   warmMs: number, compileMs: number }} plan
 * @returns one row for each subject, operation and concurrency, with all its rounds
 */
export async function loops(servers, subjects, plan, log) {
  const { operations, concurrencies, bytes, rounds, ms, warmMs, compileMs } = plan
  const { at } = servers
  const rows = rowsOf(bytes)
  const results = []
  for (const subject of subjects) await inside(subject, at, (tell) => tell('fill', { rows, bytes }))
  for (const operation of operations) {
    const work = { operation, rows, bytes }
    await withWorkers(subjects, at, work, compileMs, async (tell) => {
      for (const concurrency of concurrencies) {
        const task = { ...work, concurrency, ms, warmMs }
        const measured = await turns(subjects, rounds, (subject) =>
          withServerCost(servers, subject, task, () => tell(subject, 'run', task)),
        )
        results.push(...measured.map((row) => ({ operation, concurrency, bytes, ...row })))
        log(`${operation}, ${bytes} bytes, ${concurrency} at once`)
      }
    })
  }
  return results
}
