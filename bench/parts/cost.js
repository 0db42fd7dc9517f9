// What requests of realistic users cost the database, beside every rival, at a rate that all of them can
// serve.

import { connectionsTo, counts } from '../servers/counts.js'
import { cpuUs } from '../servers/cpu.js'
import { inside } from '../servers/process.js'
import { ours, oursEveryTouch, rivals } from '../subjects/roster.js'
import { turns } from './turns.js'

const BYTES = 600

/** @returns one row for each subject, with what 1,000 requests cost in each round */
export async function cost(servers, { plan, pools, log }) {
  const { rounds, users, pagesPerSecond, seconds } = plan.cost
  const subjects = [ours(), oursEveryTouch(), ...rivals(servers.at, pools.direct, plan.rivals)]
  return turns(subjects, rounds, async (subject) => {
    const measured = await measure(servers, subject, { users, pagesPerSecond, seconds })
    log(`cost of ${subject.name}`)
    return measured
  })
}

async function measure(servers, subject, { users, pagesPerSecond, seconds }) {
  const { sql, at } = servers
  const start = Date.now()
  const rate = { rate: pagesPerSecond, most: Number.MAX_SAFE_INTEGER }
  await sql`truncate session`
  // Processes of their own, as PostgreSQL's publish their counters when they end.
  await inside(subject, at, (tell) => tell('fillUsers', { users, bytes: BYTES, start }))
  await sql`vacuum analyze`
  // Without it the first change of each page would log the page as a whole.
  await sql`checkpoint`
  const before = await counts(servers, subject.server)
  const used = await inside(subject, at, async (tell) => {
    // Until V8 and the server's caches are warm.
    const warmUp = await tell('pages', { users, start, plan: { ...rate, ms: 1000 } })
    const cpuBefore = cpuUs(servers.pids[subject.server])
    const measured = await tell('pages', { users, start, plan: { ...rate, ms: seconds * 1000 } })
    const cpu = cpuBefore && (cpuUs(servers.pids[subject.server]) - cpuBefore) / measured.requests
    const connections = connectionsTo(at[subject.server])
    return { ...measured, requests: measured.requests + warmUp.requests, serverUs: cpu, connections }
  })
  const after = await counts(servers, subject.server)
  const per1000 = Object.keys(before).map((field) => [
    field,
    ((after[field] - before[field]) / used.requests) * 1000,
  ])
  return { ...used, ...Object.fromEntries(per1000) }
}
