// A process that counts for each case, per operation or request: `sent` what the store sends and which
// functions it calls, `allocated` bytes of the heap. Two runs, as counting the one would change the other.

import { PerformanceObserver } from 'node:perf_hooks'
import { setImmediate } from 'node:timers/promises'
import session from 'express-session'
import connectPostgresSimple from '../../dist/index.js'
import { answer } from '../load/answer.js'
import { median } from '../report/figures.js'
import { callCounter } from './calls.js'
import { cases, load } from './cases.js'
import { wire } from './wire.js'

const { url } = JSON.parse(process.argv[2])
/** By how many there are at once: fewer where each has a round trip of its own. */
const wavesOf = (size) => (size === 1 ? 600 : 120)
const WARM_UP = 3
/** Only those in which nothing was collected tell what was allocated. */
const ROUNDS = 3
const MOST_ROUNDS = 30

answer({
  async sent() {
    const { url: through, counts, close } = await wire(url)
    const takeCalls = await callCounter()
    const result = await forEachCase(through, async (run) => {
      await run(0.1)
      for (const name of Object.keys(counts)) counts[name] = 0
      await takeCalls()
      const operations = await run(0.1)
      const all = Object.entries({ ...counts, ...(await takeCalls()) })
      return Object.fromEntries(all.map(([name, count]) => [name, count / operations]))
    })
    close()
    return result
  },

  allocated: () =>
    forEachCase(url, async (run) => {
      await run(WARM_UP)
      const rounds = []
      for (let round = 0; rounds.length < ROUNDS; round++) {
        if (round === MOST_ROUNDS)
          throw new Error('The heap is collected all the time: nothing can be counted.')
        global.gc()
        await collections()
        const before = process.memoryUsage().heapUsed
        const operations = await run(1)
        const allocated = process.memoryUsage().heapUsed - before
        if ((await collections()) === 0) rounds.push(allocated / operations)
      }
      return { allocatedBytes: median(rounds) }
    }),

  async close() {},
})

/** How often the heap was collected since this was asked last: V8 chooses to, whatever room there is. */
const collections = collectionCounter()

function collectionCounter() {
  let collected = 0
  const observer = new PerformanceObserver((list) => {
    collected += list.getEntries().length
  })
  observer.observe({ entryTypes: ['gc'] })
  return async () => {
    // Node tells of a collection in the turn after it.
    await setImmediate()
    await setImmediate()
    const count = collected
    collected = 0
    return count
  }
}

/**
 * @param count is given a function that runs a multiple of the usual waves, and tells how many operations
 *   those were
 */
async function forEachCase(at, count) {
  const result = {}
  for (const { name, size, options, wave } of cases) {
    const store = new (connectPostgresSimple(session))({
      conString: at,
      pruneSessionInterval: false,
      ...options,
    })
    const loaded = await load(store)
    let number = 0
    result[name] = await count(async (multiple) => {
      const first = number
      const end = first + multiple * wavesOf(size) * size
      for (; number < end; number += size) await wave(store, number, loaded)
      return number - first
    })
    await store.close()
  }
  return result
}
