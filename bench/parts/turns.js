// How subjects are compared: they take turns, in an order that rotates, so that what the machine does
// meanwhile befalls all of them.

import { logPosition } from '../servers/counts.js'
import { cpuUs } from '../servers/cpu.js'
import { start } from '../servers/process.js'
import { forOperation } from '../subjects/roster.js'

/** @typedef {import('../subjects/roster.js').Subject} Subject */

/**
 * @param {Subject[]} subjects
 * @param {(subject: Subject) => Promise<object>} measure
 * @returns one row for each subject, with all its rounds
 */
export async function turns(subjects, count, measure) {
  const rounds = new Map(subjects.map(({ name }) => [name, []]))
  for (let round = 0; round < count; round++) {
    for (let i = 0; i < subjects.length; i++) {
      const subject = subjects[(i + round) % subjects.length]
      rounds.get(subject.name).push(await measure(subject))
    }
  }
  return subjects.map(({ name }) => ({ store: name, rounds: rounds.get(name) }))
}

/**
 * Workers of all subjects, for as long as `use` runs. Each operation has workers of its own: what V8
 * learned from another one would count for or against it.
 * @param {{ operation: string, rows: number, bytes: number }} work which they do for a while, until V8 has
 *   compiled it
 * @param {(tell: (subject: Subject, command: string, options: object) => Promise<any>) => Promise<any>} use
 */
export async function withWorkers(subjects, at, work, warmMs, use) {
  const workers = new Map()
  for (const subject of subjects) {
    const tell = await start('load/worker.js', { subject: forOperation(subject, work.operation), at })
    workers.set(subject.name, tell)
    await tell('run', { ...work, concurrency: 32, ms: warmMs, warmMs })
  }
  const result = await use(({ name }, command, options) => workers.get(name)(command, options))
  for (const tell of workers.values()) await tell('close')
  return result
}

/**
 * What an operation costs the server: its CPU time, and bytes of its log if that is PostgreSQL.
 * @param {{ pids: object, sql: import('postgres').Sql }} servers
 * @param {Subject} subject
 * @param {{ ms: number, warmMs: number }} task
 * @param {() => Promise<any>} measure
 * @returns what was measured, with that
 */
export async function withServerCost({ pids, sql }, { server }, task, measure) {
  const logBytes = async () => (server === 'postgres' ? await logPosition(sql) : Number.NaN)
  const [bytesBefore, cpuBefore] = [await logBytes(), cpuUs(pids[server])]
  const measured = await measure()
  const [cpuAfter, bytesAfter] = [cpuUs(pids[server]), await logBytes()]
  // The warm-up is in it too, so it counts for its share of the time.
  const share = task.ms / (task.ms + task.warmMs) / measured.count
  return {
    ...measured,
    ...(cpuBefore !== undefined && { serverUs: (cpuAfter - cpuBefore) * share }),
    ...(server === 'postgres' && { logBytes: (bytesAfter - bytesBefore) * share }),
  }
}
