// One subject in a process of its own. Is told what to run, and tells what it measured.

import { performance } from 'node:perf_hooks'
import { answer } from './answer.js'
import { subjects } from './subjects.js'
import { prepare, workloads } from './workloads.js'

const { name, at } = JSON.parse(process.argv[2])
const { store, close } = await subjects[name](at)

answer({
  prepare: (options) => prepare(store, options),
  run: measure,
  close,
})

/** Keeps so many operations going at once for so long; `warmMs` before it do not count. */
async function measure({ operation, concurrency, ms, warmMs, ...options }) {
  const work = workloads[operation]
  await Promise.all(
    Array.from({ length: concurrency }, () => until(performance.now() + warmMs, work, options, [])),
  )
  const latencies = []
  const cpu = process.cpuUsage()
  const started = performance.now()
  await Promise.all(Array.from({ length: concurrency }, () => until(started + ms, work, options, latencies)))
  const took = performance.now() - started
  const { user, system } = process.cpuUsage(cpu)
  latencies.sort((a, b) => a - b)
  const at = (share) => latencies[Math.floor(latencies.length * share)] ?? 0
  return {
    rate: (latencies.length / took) * 1000,
    p50: at(0.5),
    p99: at(0.99),
    clientUs: (user + system) / latencies.length,
    count: latencies.length,
  }
}

async function until(end, work, options, latencies) {
  for (let now = performance.now(); now < end; ) {
    if ((await work(store, options)) === false) return
    const then = performance.now()
    latencies.push(then - now)
    now = then
  }
}
