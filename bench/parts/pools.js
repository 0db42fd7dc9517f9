// The size of connect-pg-simple's pool that makes it fastest, on each network.

import { median } from '../report/figures.js'
import { network } from '../servers/network.js'
import { inside } from '../servers/process.js'
import { pgSimple } from '../subjects/roster.js'
import { turns, withWorkers } from './turns.js'

const WORK = { operation: 'get+touch', rows: 2000, bytes: 300 }

/** @returns one row for each network and size */
export async function pools(servers, { plan, log }) {
  const { sizes, concurrency, rounds, ms, warmMs, compileMs } = plan.pools
  const results = []
  const measure = async (where, at) => {
    const subjects = sizes.map((size) => pgSimple(size))
    await inside(subjects[0], at, (tell) => tell('fill', WORK))
    const rows = await withWorkers(subjects, at, WORK, compileMs, (tell) =>
      turns(subjects, rounds, (subject) => tell(subject, 'run', { ...WORK, concurrency, ms, warmMs })),
    )
    results.push(...rows.map((row, i) => ({ ...where, size: sizes[i], concurrency, ...row })))
  }
  await measure({}, servers.at)
  log('pools, direct')
  for (const delayMs of plan.delays) {
    const between = await network(servers.at, delayMs)
    await measure({ delayMs }, between.at)
    await between.stop()
    log(`pools, ${delayMs} ms`)
  }
  return results
}

/**
 * @param rows of `pools`
 * @returns {Record<string, number>} the best size by delay, and where no network is between
 */
export function bestPools(rows) {
  const best = {}
  for (const { delayMs, size, rounds } of rows) {
    const rate = median(rounds.map((round) => round.rate))
    const where = delayMs ?? 'direct'
    if (!(best[where]?.rate > rate)) best[where] = { size, rate }
  }
  return Object.fromEntries(Object.entries(best).map(([where, { size }]) => [where, size]))
}
