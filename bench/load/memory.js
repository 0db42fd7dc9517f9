// Bytes of live heap, each time after a full garbage collection, before and after so many minutes of work.

import { closedLoop } from './closed.js'
import { workloads } from './workloads.js'

export async function soak(store, { minutes, warmSeconds, concurrency, ...options }) {
  let count = 0
  const round = async () => {
    await workloads['get+touch'](store, options)
    await workloads['set new'](store, options)
    await workloads.destroy(store, options)
    count++
  }
  const run = async (seconds) => {
    await closedLoop(concurrency, seconds * 1000, round)
    global.gc()
    return process.memoryUsage().heapUsed
  }
  await run(warmSeconds)
  count = 0
  const heap = [await run(warmSeconds)]
  for (let minute = 1; minute <= minutes; minute++) heap.push(await run(60))
  return { concurrency, count, rounds: heap.map((heapBytes) => ({ heapBytes })) }
}
