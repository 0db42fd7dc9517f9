// Closed loop: so many operations are kept under way, each followed by the next. Knows nothing of stores.

import { performance } from 'node:perf_hooks'

/**
 * @param {() => Promise<unknown>} work gives false when there is nothing left to do
 * @returns latencies in ms
 */
export async function closedLoop(concurrency, ms, work) {
  const end = performance.now() + ms
  const latencies = []
  const loop = async () => {
    for (let now = performance.now(); now < end; ) {
      if ((await work()) === false) return
      const then = performance.now()
      latencies.push(then - now)
      now = then
    }
  }
  await Promise.all(Array.from({ length: concurrency }, loop))
  return latencies
}

/** @param {number[]} latencies */
export function percentiles(latencies) {
  const sorted = Float64Array.from(latencies).sort()
  const at = (share) => sorted[Math.floor(sorted.length * share)] ?? 0
  return { p50: at(0.5), p99: at(0.99) }
}
