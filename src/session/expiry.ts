// When a session ends. Pure but for the clock on the wall. Must not know tables, statements or connections.

import type { SessionData } from 'express-session'
import { StoreError } from '../errors.ts'
import type { Settings } from '../options.ts'

// The last second a Date can hold. PostgreSQL's timestamps reach further, so everything within is accepted by both.
const END_OF_TIME = 8.64e12

/** Seconds since 1970 at which the session ends: with its cookie, or `ttl` from now if the cookie has no valid `expires`. */
export function expireAt(session: SessionData, sid: string, ttl: Settings['ttl']): number {
  const expires: unknown = session?.cookie?.expires
  const cookieMs = expires ? timeOf(expires) : Number.NaN
  const endMs = Number.isNaN(cookieMs) ? Date.now() + lifetimeMs(session, sid, ttl) : cookieMs
  return Math.max(0, Math.min(Math.ceil(endMs / 1000), END_OF_TIME))
}

/** In ms since 1970; NaN for what is no date, also where that throws, as an object without a prototype does. */
function timeOf(expires: unknown): number {
  try {
    return new Date(expires as string).getTime()
  } catch {
    return Number.NaN
  }
}

function lifetimeMs(session: SessionData, sid: string, ttl: Settings['ttl']): number {
  const seconds = typeof ttl === 'function' ? ttl(session, sid) : ttl
  if (typeof seconds !== 'number' || Number.isNaN(seconds)) {
    throw new StoreError(
      'STORE_TTL',
      `The \`ttl\` function must return a number of seconds, got a ${typeof seconds}`,
    )
  }
  return seconds * 1000
}

export function dated(session: SessionData, expire: number): SessionData | null {
  const { cookie } = session
  if (!cookie?.expires) return session
  const cookieMs = timeOf(cookie.expires)
  // The row's expiry is the cookie's, rounded up: nobody has moved it, and the cookie knows it better.
  if (Math.ceil(cookieMs / 1000) === expire) return cookieMs > Date.now() ? session : null
  const expires = new Date(expire * 1000)
  // An 'infinity' in the column is no Date. A string, as JSON has it: express-session makes the Date.
  if (!Number.isNaN(expires.getTime())) cookie.expires = expires.toISOString() as unknown as Date
  return session
}
