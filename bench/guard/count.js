// A process that counts for each case, per operation or request: `sent` what the store sends and which
// functions it calls, `allocated` bytes of the heap. Two runs, as counting the one would change the other.

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
const ROUNDS = 3

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
      for (let round = 0; round < ROUNDS; round++) {
        global.gc()
        const before = process.memoryUsage().heapUsed
        const operations = await run(1)
        rounds.push((process.memoryUsage().heapUsed - before) / operations)
      }
      return { allocatedBytes: median(rounds) }
    }),

  async close() {},
})

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
