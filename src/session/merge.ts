// Merges the changes that two requests made to one session. A pure function: must not know rows or texts.

import { isDeepStrictEqual } from 'node:util'
import type { SessionData } from 'express-session'

/**
 * A three-way merge by top-level key: the session as the row now holds it, with the keys that this request
 * changed, added or deleted. If both changed a key, this request wins. The cookie's `expires` is merged on
 * its own: the later one wins.
 * @param base what this request loaded
 * @param mine what this request saves
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
  const [myExpires, theirExpires] = [mine.cookie?.expires, cookie?.expires]
  if (myExpires && theirExpires && new Date(myExpires) > new Date(theirExpires)) {
    merged!.set('cookie', { ...cookie, expires: myExpires })
  }
  // `fromEntries` instead of assignment, because a key may be `__proto__`.
  return Object.fromEntries(merged!) as unknown as SessionData
}

function comparable(key: string, value: unknown): unknown {
  return key === 'cookie' ? { ...(value as object | undefined), expires: undefined } : value
}
