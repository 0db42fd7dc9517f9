// A session as the text in its row, and back. Promises an error without data where that cannot be. Must not know rows,
// expiry or who loaded what.

import type { SessionData } from 'express-session'
import { StoreError } from '../errors.ts'
import type { Serializer } from '../options.ts'
import { dated } from './expiry.ts'

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

export function unreadable(why: string): StoreError {
  return new StoreError('STORE_SESSION', `The row does not hold a session that can be read: ${why}`)
}
