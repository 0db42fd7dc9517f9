// Stores with a network before their servers, with several delays, and how well each delay was kept.

import { network } from '../servers/network.js'
import { ours, rivals } from '../subjects/roster.js'
import { loops } from './loops.js'

/** @returns the rows of the stores, and one without a store for each network */
export async function relay(servers, { plan, pools, log }) {
  const rows = []
  const networks = []
  for (const delayMs of plan.delays) {
    const between = await network(servers.at, delayMs)
    const ping = await between.ping()
    const far = { ...servers, at: between.at }
    const subjects = [ours(), ...rivals(servers.at, pools[delayMs], plan.rivals)]
    for (const each of plan.relay.filter(({ delays }) => delays.includes(delayMs))) {
      const measured = await loops(far, subjects, { ...each, bytes: 300 }, (text) =>
        log(`${delayMs} ms: ${text}`),
      )
      rows.push(...measured.map((row) => ({ delayMs, ...row })))
    }
    const late = await between.late()
    const round = {
      pingP1: ping.p1,
      pingP50: ping.p50,
      pingP99: ping.p99,
      lateP50: late.p50,
      lateP99: late.p99,
    }
    networks.push({ delayMs, rounds: [round] })
    await between.stop()
  }
  return [...rows, ...networks]
}
