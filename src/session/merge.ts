// Merges the changes that two requests made to one session. A pure function: must not know rows or texts.

import { isDeepStrictEqual } from 'node:util'
import type { SessionData } from 'express-session'

type Cookie = SessionData['cookie'] | undefined

/**
 * A three-way merge by top-level key: the session as the row now holds it, with the keys that this request
 * changed, added or deleted. If both changed a key, this request wins. The cookie's `expires` is merged on
 * its own: the later one wins, unless one of them gave the cookie another lifetime.
 * @param base what this request loaded
 * @param mine what this request saves
 * @param theirs what the row holds now
 */
export function merge(base: SessionData, mine: SessionData, theirs: SessionData): SessionData {
  const [before, after, merged] = [base, mine, theirs].map((session) => new Map(Object.entries(session)))
  for (const key of new Set([...before!.keys(), ...after!.keys()])) {
    const isSame = key === 'cookie' ? isSameCookie : isDeepStrictEqual
    if (isSame(before!.get(key) as Cookie, after!.get(key) as Cookie)) continue
    if (after!.has(key)) merged!.set(key, after!.get(key))
    else merged!.delete(key)
  }
  const cookie = merged!.get('cookie') as Cookie
  const [myExpires, theirExpires] = [mine.cookie?.expires, cookie?.expires]
  const isLater = myExpires && theirExpires && new Date(myExpires) > new Date(theirExpires)
  if (isLater && hasSameLifetime(base.cookie, cookie))
    merged!.set('cookie', { ...cookie, expires: myExpires })
  // `fromEntries` instead of assignment, because a key may be `__proto__`.
  return Object.fromEntries(merged!) as unknown as SessionData
}

/** Apart from when it expires, which every request moves. */
function isSameCookie(one: Cookie, other: Cookie): boolean {
  const [first, second] = [one, other].map((each) => ({ ...each, ...{ expires: 0, originalMaxAge: 0 } }))
  return isDeepStrictEqual(first, second) && hasSameLifetime(one, other)
}

function hasSameLifetime(one: Cookie, other: Cookie): boolean {
  const [first, second] = [one?.originalMaxAge, other?.originalMaxAge]
  // express-session computes it anew at every touch, by which it can lose a millisecond.
  const isClose = Math.abs(Number(first) - Number(second)) < 100
  return typeof first === 'number' && typeof second === 'number' ? isClose : first === second
}
