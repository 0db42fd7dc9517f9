// Merges the changes that two requests made to one session. Reads the clock and has no other effects. Must not know
// rows or texts.

import { isDeepStrictEqual } from 'node:util'
import type { SessionData } from 'express-session'

type GivenCookie = SessionData['cookie']
type Cookie = GivenCookie | undefined
type Lifetime = Pick<GivenCookie, 'originalMaxAge' | 'expires'>

/**
 * A three-way merge by top-level key: the session as the row now holds it, with the keys that this request
 * changed, added or deleted. If both changed a key, this request wins. Of the cookie its lifetime is merged on
 * its own.
 * @param base what this request loaded
 * @param mine what this request saves
 * @param theirs what the row holds now
 */
export function merge(base: SessionData, mine: SessionData, theirs: SessionData): SessionData {
  const [before, after, merged] = [base, mine, theirs].map((session) => new Map(Object.entries(session)))
  for (const key of new Set([...before!.keys(), ...after!.keys()])) {
    const isSame = key === 'cookie' ? isSameButForLifetime : isDeepStrictEqual
    if (isSame(before!.get(key) as Cookie, after!.get(key) as Cookie)) continue
    if (after!.has(key)) merged!.set(key, after!.get(key))
    else merged!.delete(key)
  }
  const cookie = merged!.get('cookie') as Cookie
  if (cookie && base.cookie && mine.cookie && theirs.cookie)
    merged!.set('cookie', withLifetime(cookie, lifetimeOf(base.cookie, mine.cookie, theirs.cookie)))
  // `fromEntries` instead of assignment, because a key may be `__proto__`.
  return Object.fromEntries(merged!) as unknown as SessionData
}

function isSameButForLifetime(one: Cookie, other: Cookie): boolean {
  const [first, second] = [one, other].map((each) => ({ ...each, ...{ expires: 0, originalMaxAge: 0 } }))
  return isDeepStrictEqual(first, second)
}

/** That which one of the requests chose; if neither did, the one that ends later. */
function lifetimeOf(base: Lifetime, mine: Lifetime, theirs: Lifetime): Lifetime {
  if (!hasSameLifetime(base, mine)) return mine
  if (!hasSameLifetime(base, theirs)) return begunNow(theirs)
  return new Date(mine.expires!) > new Date(theirs.expires!) ? mine : theirs
}

function hasSameLifetime(one: Lifetime, other: Lifetime): boolean {
  const [first, second] = [one.originalMaxAge, other.originalMaxAge]
  // express-session computes it anew at every touch, by which it can lose a millisecond.
  const isClose = first === second || Math.abs(Number(first) - Number(second)) < 100
  return isClose && !one.expires === !other.expires
}

/** As at a touch: the text of a row does not say how often it was touched since it was saved. */
function begunNow({ originalMaxAge, expires }: Lifetime): Lifetime {
  const isCounted = expires && typeof originalMaxAge === 'number'
  return { originalMaxAge, expires: isCounted ? new Date(Date.now() + originalMaxAge) : expires }
}

/** A cookie that neither store has written can lack one of both. */
function withLifetime(cookie: GivenCookie, { originalMaxAge, expires }: Lifetime): object {
  const parts = Object.entries({ ...cookie, originalMaxAge, expires })
  return Object.fromEntries(parts.filter(([, value]) => value !== undefined))
}
