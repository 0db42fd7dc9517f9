// Stores with a network before their servers, with several delays.

import { network } from '../servers/network.js'
import { ours, rivals } from '../subjects/roster.js'
import { loops } from './loops.js'

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
    networks.push({ delayMs, ping, late: await between.late() })
    await between.stop()
  }
  return { rows, networks }
}
