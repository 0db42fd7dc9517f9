// Stores without HTTP: every operation at several concurrencies and payloads, in rounds whose order rotates.

import { cpuUs, start } from './process.js'
import { stores } from './subjects.js'

const OPERATIONS = ['get', 'get+touch', 'touch', 'set loaded', 'set new', 'destroy']
const FULL = {
  sizes: [300, 4_000, 64_000],
  concurrencies: [1, 32, 256, 1000],
  rounds: 5,
  ms: 300,
  warmMs: 100,
}
const QUICK = { ...FULL, sizes: [300], concurrencies: [1, 32, 256], rounds: 3 }

/** @returns one row for each subject, payload, operation and concurrency, with all its rounds */
export async function storeLevel({ at, pids }, { quick, only, log }) {
  const plan = quick ? QUICK : FULL
  const names = stores.filter((name) => name !== 'connect-redis' || at.redis)
  const results = []
  for (const bytes of plan.sizes) {
    const rows = Math.min(2000, Math.ceil(40_000_000 / bytes))
    for (const name of names) await inside(name, at, (tell) => tell('fill', { rows, bytes }))
    for (const operation of OPERATIONS.filter((each) => !only || each.match(only))) {
      // A process for each operation: what V8 learned from another one would count for or against it.
      const workers = new Map()
      for (const name of names) {
        const tell = await start('worker.js', { name, at })
        workers.set(name, tell)
        // Until V8 has compiled what is used.
        await tell('run', { operation, concurrency: 32, ms: 500, warmMs: 500, rows, bytes })
      }
      for (const concurrency of plan.concurrencies) {
        const { ms, warmMs } = plan
        const task = { operation, concurrency, ms, warmMs, rows, bytes }
        results.push(...(await compare(names, workers, pids, task, plan.rounds)))
        log(`${bytes} bytes, ${operation}, ${concurrency} at once`)
      }
      for (const tell of workers.values()) await tell('close')
    }
  }
  return results
}

/** Each subject in turn, in an order that rotates. */
export async function compare(names, workers, pids, task, count) {
  const rounds = new Map(names.map((name) => [name, []]))
  for (let round = 0; round < count; round++) {
    for (let i = 0; i < names.length; i++) {
      const name = names[(i + round) % names.length]
      const pid = name === 'connect-redis' ? pids.redis : pids.postgres
      const before = cpuUs(pid)
      const measured = await workers.get(name)('run', task)
      const used = before === undefined ? undefined : cpuUs(pid) - before
      // The warm-up is in it too, so it counts for its share of the time.
      const share = task.ms / (task.ms + task.warmMs)
      rounds.get(name).push({ ...measured, serverUs: used && (used * share) / measured.count })
    }
  }
  const { operation, concurrency, bytes } = task
  return names.map((name) => ({ name, operation, concurrency, bytes, rounds: rounds.get(name) }))
}

/** In a worker of its own for as long as `use` runs. */
export async function inside(name, at, use, /** @type {any} */ { options, execArgv } = {}) {
  const tell = await start('worker.js', { name, at, options }, execArgv)
  try {
    return await use(tell)
  } finally {
    await tell('close')
  }
}
