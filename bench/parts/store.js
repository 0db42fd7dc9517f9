// Stores by themselves, beside their servers: every operation at several numbers at once and sizes of
// sessions.

import { ours, rivals } from '../subjects/roster.js'
import { loops } from './loops.js'

export async function store(servers, { plan, pools, log }) {
  const results = []
  const subjects = [ours(), ...rivals(servers.at, pools.direct, plan.rivals)]
  for (const sizes of plan.store) results.push(...(await loops(servers, subjects, sizes, log)))
  return results
}
