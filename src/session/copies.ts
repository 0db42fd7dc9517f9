// Lets a session be known again after a host has copied its data into an object of its own. Promises that
// nothing shows in the data. Must not know what is remembered of a session.

import type { SessionData } from 'express-session'

const TRACE = Symbol('loaded')

/**
 * express-session carries a session over by `createSession`. @fastify/session copies the properties and calls
 * nothing. But from 11.1.2 on it spreads what the cookie's `toJSON` returns into options that its session
 * keeps, and with them what is there under a symbol, which no JSON shows.
 * @param what is to be found on the copy
 */
export function leaveTrace({ cookie }: SessionData, what: object): void {
  if (typeof cookie !== 'object' || cookie === null || 'toJSON' in cookie) return
  const toJSON = () => ({ ...cookie, [TRACE]: what })
  // Not enumerable, so that it is in no copy and no comparison. Does nothing to a frozen cookie.
  Reflect.defineProperty(cookie, 'toJSON', { value: toJSON, configurable: true, writable: true })
}

/** What was left on the session that this one is a copy of, if it is one. */
export function traceOn(session: unknown): unknown {
  if (typeof session !== 'object' || session === null) return undefined
  for (const key of Object.getOwnPropertySymbols(session)) {
    const value: unknown = Object.getOwnPropertyDescriptor(session, key)?.value
    if (typeof value === 'object' && value !== null && TRACE in value) return value[TRACE]
  }
  return undefined
}
