// When a session was created, as its stored text says it. Promises that the app's own object is never changed
// on the way to the text. Must not know what the time is used for, nor tables or statements.

import type { SessionData } from 'express-session'

/**
 * A top-level key, because connect-pg-simple stores what its app sees, and of the cookie only the fields that
 * express-session knows. The name is long so that no app has one like it.
 */
const CREATED = 'connect-postgres-simple:created'

/** The wall clock in whole seconds since 1970, rounded down, so that no session lives longer than it may. */
export function thisSecond(): number {
  return Math.floor(Date.now() / 1000)
}

/** In seconds since 1970, whatever it is. Undefined if the session does not say. */
export function statedCreation(session: SessionData): number | undefined {
  const created: unknown = Object.hasOwn(session, CREATED) ? Reflect.get(session, CREATED) : undefined
  return Number.isFinite(created) ? (created as number) : undefined
}

/** The same, unless it is still to come: that would give the session more than its time. */
export function creationIn(session: SessionData): number | undefined {
  const created = statedCreation(session)
  return created !== undefined && created <= thisSecond() ? created : undefined
}

/** Takes it out of an object that was just parsed, before the app sees it. */
export function removeCreation(session: SessionData): void {
  Reflect.deleteProperty(session, CREATED)
}

/**
 * A copy that says when the session was created, in place of what the app may have put there. It has the same
 * prototype and hidden properties, for a serializer that uses them.
 */
export function withCreation(session: SessionData, created: number): SessionData {
  const { toJSON } = session as { toJSON?: unknown }
  // JSON takes what `toJSON` returns, which would not have the key.
  const stored: object = typeof toJSON === 'function' ? toJSON.call(session, '') : session
  const properties = Object.getOwnPropertyDescriptors(stored)
  const key = { [CREATED]: { value: created, enumerable: true, configurable: true, writable: true } }
  // Not by spreading the properties into the copy, which would drop the hidden ones.
  return Object.create(Object.getPrototypeOf(stored), { ...properties, ...key })
}
