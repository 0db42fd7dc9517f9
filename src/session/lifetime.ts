// The longest lifetime of a session (`maxLifetime`), counted from its creation. Promises that no text which
// the store writes gives a session a later creation than its row has. Must not know how operations are sent.

import { isDeepStrictEqual } from 'node:util'
import type { SessionData } from 'express-session'
import type { Settings } from '../settings/settings.ts'
import type { Replace } from '../table/operations.ts'
import type { Row } from '../table/row.ts'
import { creationIn, removeCreation, statedCreation, thisSecond, withCreation } from './creation.ts'
import { encode, isTimeout, parse, unserializable } from './text.ts'

/** What is known of a session's creation. */
export interface Creation {
  /** In seconds since 1970. */
  readonly at: number
  /** Whether the row says so. Otherwise it counts from when the session was first loaded. */
  readonly isStored: boolean
}

export type LifetimeSettings = Pick<Settings, 'maxLifetime' | 'serializer'>

/** Of a session that is new, or that was there before it could say when it was created. */
export function beginning(): Creation {
  return { at: thisSecond(), isStored: false }
}

/** Takes the creation out of a session that was just parsed, before the app sees it. */
export function takeCreation(session: SessionData): Creation {
  const at = creationIn(session)
  removeCreation(session)
  return at === undefined ? beginning() : { at, isStored: true }
}

/**
 * The expiry, but not later than the session's end.
 * @param expire in seconds since 1970
 * @param created undefined without a longest lifetime
 */
export function withinLifetime(
  expire: number,
  created: number | undefined,
  { maxLifetime }: Pick<Settings, 'maxLifetime'>,
): number {
  if (created === undefined || maxLifetime === undefined) return expire
  return Math.min(expire, Math.floor(created + maxLifetime))
}

// The serializers that were seen to keep the creation.
const keepers = new WeakSet<Settings['serializer']>()

/** The text of a session that says when it was created; a promise only if the serializer is async. */
export function encodeWithCreation(
  session: SessionData,
  created: number,
  { serializer }: LifetimeSettings,
): string | Promise<string> {
  // No session, and it cannot say anything.
  if (Array.isArray(session)) return encode(session, serializer)
  const stringify = (each: SessionData) => serializer.stringify(withCreation(each, created))
  const text = encode(session, { stringify })
  if (keepers.has(serializer)) return text
  // A serializer of the app may store only the keys that it knows. Then no session would ever end.
  const check = async (stored: string) => {
    const isKept = async () => statedCreation(await parse(stored, serializer)) === created
    if (!(await isKept().catch(falseUnlessTimeout))) {
      throw unserializable('the `serializer` does not keep all top-level keys, as `maxLifetime` needs')
    }
    keepers.add(serializer)
    return stored
  }
  return Promise.resolve(text).then(check)
}

/** What cannot be read says nothing. A serializer that did not answer leaves it open what there is. */
function falseUnlessTimeout(error: unknown): false {
  if (isTimeout(error)) throw error
  return false
}

/** Of a text; undefined if it does not say, or cannot be read. @throws StoreError STORE_TIMEOUT of the serializer */
export async function creationOf(
  text: string,
  { serializer }: LifetimeSettings,
): Promise<number | undefined> {
  const read = async () => creationIn(await parse(text, serializer))
  const at = await read().catch(falseUnlessTimeout)
  return at === false ? undefined : at
}

/** When the session of a row ends, in seconds since 1970. */
export async function endOf([, text, expire]: Row, settings: LifetimeSettings): Promise<number> {
  // Without a longest lifetime nothing has to be parsed.
  const created = settings.maxLifetime === undefined ? undefined : await creationOf(String(text), settings)
  return withinLifetime(Number(expire), created, settings)
}

/**
 * A save that goes over a row, with the earlier one of both creations.
 * @param row the text that the row holds
 */
export async function overRow(op: Replace, row: string, settings: LifetimeSettings): Promise<Replace> {
  const replace = { ...op, was: row }
  if (settings.maxLifetime === undefined) return replace
  const mine = statedCreation(await parse(op.mine, settings.serializer))
  // Only what is no session does not say it.
  if (mine === undefined) return replace
  const created = Math.min(mine, (await creationOf(row, settings)) ?? mine)
  const session = await parse(op.sess, settings.serializer)
  if (statedCreation(session) === created) return replace
  return {
    ...replace,
    sess: await encodeWithCreation(session, created, settings),
    expire: withinLifetime(op.expire, created, settings),
  }
}

/** Whether two texts are the same session. With `maxLifetime` only one of them may say its creation. */
export async function isSameSession(
  one: string,
  other: string,
  { maxLifetime, serializer }: LifetimeSettings,
): Promise<boolean> {
  const isSame = async () => {
    const [first, second] = await Promise.all([parse(one, serializer), parse(other, serializer)])
    if (maxLifetime !== undefined) for (const session of [first, second]) removeCreation(session)
    return isDeepStrictEqual(first, second)
  }
  return isSame().catch(falseUnlessTimeout)
}
