// Stores without HTTP: every operation at several concurrencies and payloads, in rounds whose order rotates.

import { cpuUs, start } from './process.js'
import { stores } from './subjects.js'
import { workloads } from './workloads.js'

const FULL = {
  sizes: [300, 4_000, 64_000],
  concurrencies: [1, 32, 256, 1000],
  rounds: 3,
  ms: 350,
  warmMs: 100,
  rows: 2000,
}
const QUICK = { sizes: [300], concurrencies: [1, 32, 256], rounds: 3, ms: 300, warmMs: 100, rows: 2000 }

/** @returns one row for each subject, payload, operation and concurrency, with all its rounds */
export async function storeLevel({ at, pids }, { quick, only, log }) {
  const plan = quick ? QUICK : FULL
  const names = stores.filter((name) => name !== 'connect-redis' || at.redis)
  const workers = new Map()
  for (const name of names) workers.set(name, await start('worker.js', { name, at }))
  const results = []
  for (const bytes of plan.sizes) {
    const rows = Math.min(plan.rows, Math.ceil(40_000_000 / bytes))
    for (const name of names) await workers.get(name)('prepare', { rows, bytes })
    for (const concurrency of plan.concurrencies) {
      for (const operation of Object.keys(workloads).filter((each) => !only || each.match(only))) {
        const rounds = new Map(names.map((name) => [name, []]))
        for (let round = 0; round < plan.rounds; round++) {
          for (let i = 0; i < names.length; i++) {
            const name = names[(i + round) % names.length]
            const pid = name === 'connect-redis' ? pids.redis : pids.postgres
            const before = cpuUs(pid)
            const { ms, warmMs } = plan
            const measured = await workers.get(name)('run', {
              ...{ operation, concurrency, ms, warmMs, rows, bytes },
            })
            const used = before === undefined ? undefined : cpuUs(pid) - before
            // The warm-up is in it too, so it counts for its share of the time.
            const share = ms / (ms + warmMs)
            rounds.get(name).push({ ...measured, serverUs: used && (used * share) / measured.count })
          }
        }
        for (const name of names)
          results.push({ name, bytes, concurrency, operation, rounds: rounds.get(name) })
        log(`${bytes} bytes, ${concurrency} at once, ${operation}`)
      }
    }
  }
  for (const tell of workers.values()) await tell('close')
  return results
}
