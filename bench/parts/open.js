// Requests that arrive at random, at rising rates, until a store falls behind: when a tenth of what arrived
// in the time is not answered at its end, and would wait ever longer.

import { network } from '../servers/network.js'
import { inside } from '../servers/process.js'
import { ours, rivals } from '../subjects/roster.js'
import { turns, withWorkers } from './turns.js'

/** @returns a row for each network, rate and subject that has not fallen behind at a lower rate */
export async function open(servers, { plan, pools, log }) {
  const { delays, operation, rates, rounds, ms, warmMs, compileMs } = plan.open
  const work = { operation, rows: 2000, bytes: 300 }
  const results = []
  for (const delayMs of delays) {
    const between = await network(servers.at, delayMs)
    const { at } = between
    let subjects = [ours(), ...rivals(at, pools[delayMs], 'main')]
    for (const subject of subjects) await inside(subject, at, (tell) => tell('fill', work))
    await withWorkers(subjects, at, work, compileMs, async (tell) => {
      for (const rate of rates) {
        // Once so many wait that the answer is known, nothing is left to learn.
        const task = { ...work, warmMs, plan: { rate, ms, most: Math.max(200, rate / 2) } }
        const measured = await turns(subjects, rounds, (subject) => tell(subject, 'arrive', task))
        const rows = measured.map((row) => ({
          delayMs,
          operation,
          arrivals: rate,
          ...row,
          behind: isBehind(row),
        }))
        results.push(...rows)
        subjects = subjects.filter(({ name }) => !rows.find(({ store }) => store === name).behind)
        log(`${delayMs} ms: ${rate} arrivals a second`)
      }
    })
    await between.stop()
  }
  return results
}

/** In most rounds. */
function isBehind({ rounds }) {
  const behind = rounds.filter(
    ({ arrived, waiting, p50 }) => waiting > 20 && (waiting > arrived / 10 || p50 > 1000),
  )
  return behind.length > rounds.length / 2
}
