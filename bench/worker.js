// One subject in a process of its own. Is told what to run, and tells what it measured.

import { performance } from 'node:perf_hooks'
import { answer } from './answer.js'
import { subjects } from './subjects.js'
import { before, fill, workloads } from './workloads.js'

const { name, at, options: own } = JSON.parse(process.argv[2])
const { store, close } = await subjects[name](at, own)

answer({
  fill: (options) => fill(store, options),
  run: measure,
  each: once,
  soak,
  prune: () =>
    new Promise((resolve, reject) =>
      store.pruneSessions((error) => (error ? reject(error) : resolve(undefined))),
    ),
  close,
})

/** Keeps so many operations going at once for so long; `warmMs` before it do not count. */
async function measure({ operation, concurrency, ms, warmMs, ...options }) {
  const work = workloads[operation]
  await before[operation]?.(store, options)
  // What destroys would have nothing left after it.
  if (operation !== 'destroy') await together(concurrency, performance.now() + warmMs, work, options)
  const cpu = process.cpuUsage()
  const started = performance.now()
  const latencies = await together(concurrency, started + ms, work, options)
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

/** The operation once for each row, 32 at once. */
async function once({ operation, rows, ...options }) {
  const numbers = Array.from({ length: rows }, (_, number) => number)
  const next = async () => {
    for (let number = numbers.pop(); number !== undefined; number = numbers.pop())
      await workloads[operation](store, { ...options, rows, number })
  }
  await Promise.all(Array.from({ length: 32 }, next))
}

/** Bytes of live heap, after a full garbage collection, before and after so many minutes of work. */
async function soak({ minutes, concurrency, ...options }) {
  const request = async () => {
    await workloads['get+touch'](store, options)
    await workloads['set new'](store, options)
    await workloads.destroy(store, options)
  }
  let count = 0
  const work = async (end) => {
    for (; performance.now() < end; count++) await request()
  }
  const run = async (seconds) => {
    const end = performance.now() + seconds * 1000
    await Promise.all(Array.from({ length: concurrency }, () => work(end)))
    global.gc()
    return process.memoryUsage().heapUsed
  }
  await run(10)
  count = 0
  const heap = [await run(10)]
  for (let minute = 1; minute <= minutes; minute++) heap.push(await run(60))
  return { concurrency, heap, count }
}

async function together(concurrency, end, work, options) {
  const latencies = []
  await Promise.all(Array.from({ length: concurrency }, () => until(end, work, options, latencies)))
  return latencies
}

async function until(end, work, options, latencies) {
  for (let now = performance.now(); now < end; ) {
    if ((await work(store, options)) === false) return
    const then = performance.now()
    latencies.push(then - now)
    now = then
  }
}
