// What a session becomes when two requests changed it. Pure: must not know rows or texts.

import { isDeepStrictEqual } from 'node:util'
import type { SessionData } from 'express-session'

/**
 * Three-way, by top-level key: the session as it is now, with what this request changed, added or deleted. Where both
 * changed a key, this request wins. The expiry of the cookie is no change of it: the later one stays.
 * @param base what this request loaded
 * @param mine what it saves
 * @param theirs what the row holds now
 */
export function merge(base: SessionData, mine: SessionData, theirs: SessionData): SessionData {
  const [before, after, merged] = [base, mine, theirs].map((session) => new Map(Object.entries(session)))
  for (const key of new Set([...before!.keys(), ...after!.keys()])) {
    const changed = !isDeepStrictEqual(comparable(key, before!.get(key)), comparable(key, after!.get(key)))
    if (!changed) continue
    if (after!.has(key)) merged!.set(key, after!.get(key))
    else merged!.delete(key)
  }
  const cookie = merged!.get('cookie') as SessionData['cookie'] | undefined
  const [ours, others] = [mine.cookie?.expires, cookie?.expires]
  if (cookie && ours && others && new Date(ours) > new Date(others)) {
    merged!.set('cookie', { ...cookie, expires: ours })
  }
  // Not by assignment: a key may be `__proto__`.
  return Object.fromEntries(merged!) as unknown as SessionData
}

function comparable(key: string, value: unknown): unknown {
  return key === 'cookie' ? { ...(value as object | undefined), expires: undefined } : value
}
