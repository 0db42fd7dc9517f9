// The serializer that the store works with: JSON, or the app's own. Promises that an async one which never
// answers fails with STORE_TIMEOUT, as every later call for the session waits for it, and `close` does. Must
// not know what it is used for.

import { soon, startTimer, stopTimer } from '../clock.ts'
import { serializerTimedOut } from '../errors.ts'
import type { Serializer } from '../options.ts'

const json: Serializer = {
  stringify: (session) => JSON.stringify(session),
  parse(text) {
    const value = JSON.parse(text)
    // Text that was encoded twice. connect-pg-simple reads it as a session, so this store does, too.
    return typeof value === 'string' ? JSON.parse(value) : value
  },
}

/** @param own of the app, if it has one @param timeoutMs how long it may take for each text */
export function serializerOf(own: Serializer | undefined, timeoutMs: number): Serializer {
  if (!own) return json
  return {
    stringify: (session) => inTime(own.stringify(session), timeoutMs),
    parse: (text) => inTime(own.parse(text), timeoutMs),
  }
}

function inTime<T>(result: T | PromiseLike<T>, timeoutMs: number): T | Promise<T> {
  if (typeof (result as PromiseLike<T> | null)?.then !== 'function') return result as T
  return new Promise((resolve, reject) => {
    // `soon` lets an answer that has already arrived be read first: see `execute`.
    const timer = startTimer(() => soon(() => reject(serializerTimedOut())), timeoutMs)
    void Promise.resolve(result)
      .then(resolve, reject)
      .finally(() => stopTimer(timer))
  })
}
