// Turns a session into the text of its row, and back. Promises that its errors contain no session data. Must
// not know statements, or which request loaded what.

import type { SessionData } from 'express-session'
import { StoreError } from '../errors.ts'
import type { Serializer } from '../options.ts'

/** The text to store; a promise only if the serializer is async. */
export function encode(
  session: SessionData,
  serializer: Pick<Serializer, 'stringify'>,
): string | Promise<string> {
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
  return Promise.resolve(text).then(checkText, (error) => {
    throw isTimeout(error) ? error : unserializable('stringify rejected')
  })
}

function checkText(text: unknown): string {
  if (typeof text !== 'string' || text === '' || !text.isWellFormed()) {
    throw unserializable('stringify gave no well-formed string, or an empty one')
  }
  return text
}

export function unserializable(reason: string): StoreError {
  return new StoreError('STORE_SESSION', `The session cannot be stored: ${reason}`)
}

/**
 * The session that a text stands for, a new object for each call; a promise only if the serializer is async.
 */
export function parse(text: string, serializer: Serializer): SessionData | Promise<SessionData> {
  let session: SessionData | Promise<SessionData>
  try {
    session = serializer.parse(text)
  } catch {
    throw unreadable('parse failed')
  }
  if (typeof (session as Promise<SessionData> | null)?.then !== 'function')
    return checkSession(session as SessionData)
  return Promise.resolve(session).then(checkSession, (error) => {
    throw isTimeout(error) ? error : unreadable('parse rejected')
  })
}

/** Whether the serializer was given up, which says nothing of the session. */
export const isTimeout = (error: unknown): boolean =>
  error instanceof StoreError && error.code === 'STORE_TIMEOUT'

function checkSession(session: SessionData): SessionData {
  if (typeof session !== 'object' || session === null) throw unreadable('it is not an object')
  return session
}

export function unreadable(reason: string): StoreError {
  return new StoreError('STORE_SESSION', `The row does not hold a session that can be read: ${reason}`)
}
