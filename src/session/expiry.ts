// When a session expires. Reads the wall clock and has no other effects. Must not know tables or statements.

import type { SessionData } from 'express-session'
import { StoreError } from '../errors.ts'
import type { Settings } from '../settings/settings.ts'
import { isoText } from './iso-text.ts'

// The last second that a Date can represent. PostgreSQL's timestamps reach further, so it accepts all of
// them.
const END_OF_TIME = 8.64e12

/**
 * When the session expires, in seconds since 1970: with its cookie, or `ttl` seconds from now if the cookie
 * has no valid `expires`.
 * @throws StoreError STORE_TTL if the `ttl` function returns no number, or what it throws
 */
export function expireAt(session: SessionData, sid: string, ttl: Settings['ttl']): number {
  const expires: unknown = session?.cookie?.expires
  const cookieMs = expires ? timeOf(expires) : Number.NaN
  const endMs = Number.isNaN(cookieMs) ? Date.now() + lifetimeMs(session, sid, ttl) : cookieMs
  return Math.max(0, Math.min(Math.ceil(endMs / 1000), END_OF_TIME))
}

/** In ms since 1970; NaN for anything that is no date. */
function timeOf(expires: unknown): number {
  try {
    return new Date(expires as string).getTime()
  } catch {
    // An object without a prototype cannot be converted.
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

/**
 * The session with the row's expiry in its cookie, if the cookie has one. A touch changes only the row's, and
 * saving an older one would move it back.
 * @param expire of the row, in seconds since 1970
 * @returns null if the cookie has expired, which it does within the last second of the row's lifetime
 */
export function withExpiryOfRow(session: SessionData, expire: number): SessionData | null {
  const { cookie } = session
  if (!cookie?.expires) return session
  const cookieMs = timeOf(cookie.expires)
  // The row's expiry is the cookie's, rounded up to a second. No touch has moved it, and the cookie has the
  // milliseconds.
  if (Math.ceil(cookieMs / 1000) === expire) return cookieMs > Date.now() ? session : null
  // `infinity` in the column is no valid Date. The value is a string, as in JSON; express-session makes a
  // Date of it.
  if (!Number.isNaN(new Date(expire * 1000).getTime())) cookie.expires = isoText(expire) as unknown as Date
  return session
}
