// Turns a session into the text of its row, and back. Promises that its errors contain no session data. Must
// not know statements, or which request loaded what.

import type { SessionData } from 'express-session'
import { StoreError } from '../errors.ts'
import type { Serializer } from '../options.ts'
import { withExpiryOfRow } from './expiry.ts'

/** The text to store; a promise only if the serializer is async. */
export function encode(session: SessionData, serializer: Serializer): string | Promise<string> {
  if (typeof session !== 'object' || session === null) throw unserializable('it is not an object')
  let text: string | Promise<string>
  try {
    text = serializer.stringify(session)
  } catch {
    // The error is not passed on: JSON.stringify names properties in it, and another serializer may put
    // anything in it.
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

function unserializable(reason: string): StoreError {
  return new StoreError('STORE_SESSION', `The session cannot be stored: ${reason}`)
}

/**
 * The session of a row, a new object for each call; a promise only if the serializer is async. If its cookie
 * has an expiry, that is set to the row's. A touch changes only the row's, and saving an older one would move
 * it back.
 * @param expire of the row, in seconds since 1970
 * @returns null if the cookie has expired, which it does within the last second of the row's lifetime
 */
export function decode(
  text: string,
  expire: number,
  serializer: Serializer,
): SessionData | null | Promise<SessionData | null> {
  const session = parse(text, serializer)
  return session instanceof Promise
    ? session.then((parsed) => withExpiryOfRow(parsed, expire))
    : withExpiryOfRow(session, expire)
}

/** The session that a text stands for; a promise only if the serializer is async. */
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

export function unreadable(reason: string): StoreError {
  return new StoreError('STORE_SESSION', `The row does not hold a session that can be read: ${reason}`)
}
