// What a session is to the store: when it expires, its text, and whether this process loaded it from a row.
// Pure: must not know tables, statements or connections.

import type { SessionData } from 'express-session'
import { StoreError } from './errors.ts'
import type { Serializer, Settings } from './options.ts'

/** The clock that decides expiry, in seconds: that of the process, rounded up, as connect-pg-simple has it. */
export function now(): number {
  return Math.ceil(Date.now() / 1000)
}

/** @throws StoreError if no row can have this sid, or if another sid would have the same row */
export function checkSid(sid: unknown): asserts sid is string {
  // The driver would write a lone surrogate as U+FFFD: two sids that differ only there would be one row.
  if (typeof sid !== 'string' || sid === '' || sid.includes('\0') || !sid.isWellFormed()) {
    throw new StoreError('STORE_SID', 'The session id must be a non-empty, well-formed string without NUL')
  }
}

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

/** The text to store. Is a promise only where the serializer is async. */
export function encode(session: SessionData, serializer: Serializer): string | Promise<string> {
  if (typeof session !== 'object' || session === null) throw unserializable('it is not an object')
  let text: string | Promise<string>
  try {
    text = serializer.stringify(session)
  } catch {
    // The error of JSON.stringify names properties, that of another serializer may hold anything: neither is passed on.
    throw unserializable('stringify threw: a circular reference, a BigInt, or a toJSON that throws')
  }
  if (typeof text === 'string') return checkText(text)
  if (typeof text?.then !== 'function') throw unserializable('stringify gave no string')
  return Promise.resolve(text).then(checkText, () => {
    throw unserializable('stringify rejected')
  })
}

function checkText(text: unknown): string {
  if (typeof text !== 'string' || text === '' || !text.isWellFormed()) {
    throw unserializable('stringify gave no well-formed string, or an empty one')
  }
  return text
}

function unserializable(why: string): StoreError {
  return new StoreError('STORE_SESSION', `The session cannot be stored: ${why}`)
}

/**
 * A session object of its own for each call. Where the cookie has an expiry it is set to that of the row: a touch moves
 * only the row's, and a save of the older one would rewind it. Is a promise only where the serializer is async.
 * @param expire of the row, in seconds since 1970
 * @returns null if its cookie has expired, which ends within the row's last second
 */
export function decode(
  text: string,
  expire: number,
  serializer: Serializer,
): SessionData | null | Promise<SessionData | null> {
  const session = parse(text, serializer)
  return session instanceof Promise ? session.then((known) => dated(known, expire)) : dated(session, expire)
}

/** The session that a text stands for. Is a promise only where the serializer is async. */
export function parse(text: string, serializer: Serializer): SessionData | Promise<SessionData> {
  let session: SessionData | Promise<SessionData>
  try {
    session = serializer.parse(text)
  } catch {
    throw unreadable('parse failed')
  }
  if (typeof (session as Promise<SessionData> | null)?.then !== 'function')
    return checkSession(session as SessionData)
  return Promise.resolve(session).then(checkSession, () => {
    throw unreadable('parse rejected')
  })
}

function checkSession(session: SessionData): SessionData {
  if (typeof session !== 'object' || session === null) throw unreadable('it is not an object')
  return session
}

function dated(session: SessionData, expire: number): SessionData | null {
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

export function unreadable(why: string): StoreError {
  return new StoreError('STORE_SESSION', `The row does not hold a session that can be read: ${why}`)
}

/** What this process knows of the row behind a session object. */
export interface Loaded {
  readonly by: LoadedSessions
  readonly sid: string
  /** In seconds: the row's expiry, as last read or written through this object. 0 before the first save. */
  expire: number
  /** How many logouts there had been in this process when the session was loaded. */
  readonly logouts: number
  /** Only where conflicts matter: what this object was as last read or saved, and what the row held then. */
  texts: { readonly base: string; readonly row: string } | undefined
}

/** Gives back the object it is given, so that a subclass adds its private field to that one instead of to a new one. */
class Given {
  constructor(object: object) {
    // biome-ignore lint/correctness/noConstructorReturn: the only way to give a private field to an object that exists already
    return object
  }
}

/**
 * A private field on the session object. As with a WeakMap nobody else sees it, in no stored text and in no copy; but a
 * map of all sessions that live is work for every garbage collection, a sixth of what a get costs.
 */
class Mark extends Given {
  #loaded: Loaded

  private constructor(session: object, loaded: Loaded) {
    super(session)
    this.#loaded = loaded
  }

  static put(session: object, loaded: Loaded): void {
    if (#loaded in session) session.#loaded = loaded
    else new Mark(session, loaded)
  }

  static on(session: unknown): Loaded | undefined {
    return typeof session === 'object' && session !== null && #loaded in session ? session.#loaded : undefined
  }
}

/** Whether it is express-session's own `Session` of this sid, which hides its request and id from JSON. */
function isNew(session: unknown, sid: string): session is object {
  if (typeof session !== 'object' || session === null || !Object.hasOwn(session, 'req')) return false
  const id = Object.getOwnPropertyDescriptor(session, 'id')
  return id?.value === sid && !id.enumerable
}

/** Remembers which session objects came out of `get`, and from what. Nothing is added to the user's data. */
export class LoadedSessions {
  remember(session: object, sid: string, expire: number, logouts: number, texts: Loaded['texts']): void {
    Mark.put(session, { by: this, sid, expire, logouts, texts })
  }

  /**
   * For a session that is about to be stored and was not loaded. One that express-session made for a request
   * counts as loaded from now on. Any other object stays unknown, so that each `set` of it stores it.
   */
  begin(session: unknown, sid: string, logouts: number): Loaded | undefined {
    // One that another store loaded is that store's.
    if (Mark.on(session) || !isNew(session, sid)) return undefined
    this.remember(session, sid, 0, logouts, undefined)
    return Mark.on(session)
  }

  /** express-session makes its `Session` out of the object that `get` gave: both stand for the same row. */
  carry(from: object, to: object): void {
    const loaded = Mark.on(from)
    if (loaded) Mark.put(to, loaded)
  }

  /** Undefined for a session that is new, or was loaded under another sid or by another store. */
  of(session: unknown, sid: string): Loaded | undefined {
    const loaded = Mark.on(session)
    return loaded?.by === this && loaded.sid === sid ? loaded : undefined
  }
}
