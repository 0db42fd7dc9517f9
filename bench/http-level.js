// Whole requests: Express 5 and express-session in front of each subject, driven by autocannon with the cookies of 2,000
// users. Every answer is checked for its user.

import autocannon from 'autocannon'
import { start } from './process.js'
import { subjects } from './subjects.js'

const USERS = 2000

/** @returns one row for each subject, route and number of connections, with all its rounds */
export async function httpLevel({ at }, { quick, log }) {
  const names = Object.keys(subjects).filter((name) => name !== 'connect-redis' || at.redis)
  const apps = new Map()
  for (const name of names) {
    const tell = await start('http-server.js', { name, at })
    apps.set(name, { tell, ...(await tell('users', { count: USERS, bytes: 600 })) })
  }
  const results = []
  for (const route of ['/read', '/write']) {
    for (const connections of [1, 32, 256]) {
      const rounds = new Map(names.map((name) => [name, []]))
      for (let round = 0; round < (quick ? 2 : 3); round++) {
        for (let i = 0; i < names.length; i++) {
          const name = names[(i + round) % names.length]
          await drive(apps.get(name), route, connections, 0.5)
          rounds.get(name).push(await drive(apps.get(name), route, connections, quick ? 1 : 2))
        }
      }
      for (const name of names) results.push({ name, route, connections, rounds: rounds.get(name) })
      log(`HTTP ${route}, ${connections} connections`)
    }
  }
  for (const { tell } of apps.values()) await tell('close')
  return results
}

async function drive({ url, cookies }, path, connections, seconds) {
  let wrong = 0
  // Each connection has a few users of its own: if all went through all users in step, they would ask for the same ones
  // at the same time. Only a few, as autocannon builds every request of every connection beforehand.
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
