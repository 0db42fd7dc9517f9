// Realistic users: each opens a page every 20 seconds, of a document and ten API calls, and each of these
// requests loads the session and touches it, as express-session does where nothing changed. The 20 seconds
// are not waited for: the expiry that a request asks for is that of its moment in the user's time.

import { performance } from 'node:perf_hooks'
import { call, inHundreds, LIFETIME_MS, sessionOf } from './workloads.js'

export const SECONDS_BETWEEN_PAGES = 20
export const CALLS_OF_A_PAGE = 10
/** Connections of a browser to one host. */
const AT_ONCE = 6

const sid = (number) => `user-${number}`
/** How many pages each user has opened. */
const opened = []
let nextUser = 0

/** Each user's session, touched some time in the minute before. */
export async function fillUsers(store, { users, bytes, start }) {
  await inHundreds(users, async (number) => {
    const session = sessionOf(number, bytes)
    session.cookie.expires = new Date(start + LIFETIME_MS - Math.random() * 60_000)
    await call(store, 'set', sid(number), session)
  })
}

/** The next user's page. @param {number[]} latencies to which those of its requests are added */
export async function page(store, { users, start }, latencies) {
  const number = nextUser++ % users
  opened[number] = (opened[number] ?? 0) + 1
  const moment = start + opened[number] * SECONDS_BETWEEN_PAGES * 1000
  const request = async (after) => {
    const began = performance.now()
    const session = await call(store, 'get', sid(number))
    if (session?.number !== number) throw new Error(`asked for ${number}, got ${session?.number}`)
    session.cookie.expires = new Date(moment + after + LIFETIME_MS)
    await call(store, 'touch', sid(number), session)
    latencies.push(performance.now() - began)
  }
  await request(0)
  let calls = CALLS_OF_A_PAGE
  const connection = async () => {
    while (calls > 0) await request(100 + 20 * (CALLS_OF_A_PAGE - calls--))
  }
  await Promise.all(Array.from({ length: AT_ONCE }, connection))
}
