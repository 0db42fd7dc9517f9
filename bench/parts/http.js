// Whole requests: Express 5 and express-session in front of each store, driven by autocannon with the
// cookies of 2,000 users. Every answer is checked for its user.

import autocannon from 'autocannon'
import { network } from '../servers/network.js'
import { start } from '../servers/process.js'
import { memory, ours, oursEveryTouch, rivals } from '../subjects/roster.js'
import { turns } from './turns.js'

const USERS = 2000
const BYTES = 600

/** @returns one row for each network, subject, route and number of connections, with all its rounds */
export async function http(servers, { plan, pools, log }) {
  const results = []
  for (const { delayMs, ...each } of plan.http) {
    const between = delayMs === undefined ? undefined : await network(servers.at, delayMs)
    const at = between?.at ?? servers.at
    const everybody = between ? 'main' : plan.rivals
    const subjects = [
      ours(),
      oursEveryTouch(),
      ...rivals(at, pools[delayMs ?? 'direct'], everybody),
      memory(),
    ]
    const rows = await measure(at, subjects, each, (text) =>
      log(`HTTP, ${between ? `${delayMs} ms` : 'direct'}: ${text}`),
    )
    results.push(...rows.map((row) => (between ? { delayMs, ...row } : row)))
    await between?.stop()
  }
  return results
}

async function measure(at, subjects, { routes, connections, rounds, seconds, warmSeconds }, log) {
  const apps = new Map()
  for (const subject of subjects) {
    const tell = await start('load/http-server.js', { subject, at })
    apps.set(subject.name, { tell, ...(await tell('users', { count: USERS, bytes: BYTES })) })
  }
  const results = []
  for (const route of routes) {
    for (const concurrency of connections) {
      const rows = await turns(subjects, rounds, async ({ name }) => {
        await drive(apps.get(name), route, concurrency, warmSeconds)
        return drive(apps.get(name), route, concurrency, seconds)
      })
      results.push(...rows.map((row) => ({ route, concurrency, ...row })))
      log(`${route}, ${concurrency} connections`)
    }
  }
  for (const { tell } of apps.values()) await tell('close')
  return results
}

async function drive({ url, cookies }, path, connections, seconds) {
  let wrong = 0
  // Each connection has a few users of its own: if all went through all users in step, they would ask for
  // the same ones at the same time. Only a few, as autocannon builds every request of every connection
  // beforehand.
  const setupClient = (client) => {
    client.setRequests(Array.from({ length: 20 }, () => request(Math.floor(Math.random() * cookies.length))))
  }
  const request = (number) => ({
    path,
    headers: { cookie: cookies[number] },
    onResponse(status, body) {
      if (status !== 200 || body !== `number ${number}`) wrong++
    },
  })
  const result = await autocannon({
    url,
    connections,
    duration: seconds,
    requests: [request(0)],
    setupClient,
  })
  if (wrong > 0 || result.errors > 0)
    throw new Error(`${wrong} wrong answers, ${result.errors} errors at ${url}${path}`)
  return { rate: result.requests.total / result.duration, p50: result.latency.p50, p99: result.latency.p99 }
}
