// One store in a process of its own. Is told what to run, and tells what it measured.

import { performance } from 'node:perf_hooks'
import { open } from '../subjects/open.js'
import { answer } from './answer.js'
import { arrivals } from './arrivals.js'
import { closedLoop, percentiles } from './closed.js'
import { soak } from './memory.js'
import { fillUsers, page } from './users.js'
import { call, fill, prepare, workloads } from './workloads.js'

const { subject, at } = JSON.parse(process.argv[2])
const { store, close } = await open[subject.kind](at, subject.options)

answer({
  fill: (options) => fill(store, options),
  fillUsers: (options) => fillUsers(store, options),
  run,
  arrive,
  pages,
  soak: (options) => soak(store, options),
  prune: () => call(store, 'pruneSessions'),
  close,
})

/** Keeps so many operations going for so long; `warmMs` before it do not count. */
async function run({ operation, concurrency, ms, warmMs, ...options }) {
  const work = () => workloads[operation](store, options)
  await prepare[operation]?.(store, options)
  // What destroys would have nothing left after it.
  if (operation !== 'destroy') await closedLoop(concurrency, warmMs, work)
  const cpu = process.cpuUsage()
  const started = performance.now()
  const latencies = await closedLoop(concurrency, ms, work)
  const took = performance.now() - started
  const { user, system } = process.cpuUsage(cpu)
  return {
    rate: (latencies.length / took) * 1000,
    ...percentiles(latencies),
    clientUs: (user + system) / latencies.length,
    count: latencies.length,
  }
}

/** Operations that arrive at random, after some that do not count. */
async function arrive({ operation, warmMs, plan, ...options }) {
  const work = () => workloads[operation](store, options)
  await prepare[operation]?.(store, options)
  if (warmMs > 0) await arrivals({ ...plan, ms: warmMs }, work)
  const { latencies, ...counts } = await arrivals(plan, work)
  return { ...percentiles(latencies), ...counts }
}

/** Pages of users, which arrive at random. */
async function pages({ plan, users, start }) {
  const cpu = process.cpuUsage()
  const requests = []
  const { arrived, seconds } = await arrivals(plan, () => page(store, { users, start }, requests))
  const { user, system } = process.cpuUsage(cpu)
  const clientUs = (user + system) / requests.length
  return { requests: requests.length, ...percentiles(requests), pages: arrived, seconds, clientUs }
}
