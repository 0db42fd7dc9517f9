// The user's id in a session, and which of a user's sessions a call of `destroyByUser` is about. Pure
// functions: must not know statements.

import type { Row } from '../table/row.ts'
import { checkSid } from './sid.ts'

/** A user's id. Ids are compared as text: 42 and '42' are one user. */
export type UserId = string | number | bigint

export interface DestroyByUserOptions {
  /** Sessions that are not destroyed, such as that of the request: one sid or several. */
  except?: string | readonly string[] | undefined
  /** How many sessions are left: those of `except`, then those that expire last. @default 0 */
  keep?: number | undefined
}

/** A row in which the user's id stands. */
export interface UserRow {
  readonly sid: string
  readonly row: Row
  /** When the session ends, in seconds since 1970. */
  readonly end: number
}

/** `maxLifetime` can end a session before its row expires. Those that end together stay in their order. */
export function lastToEndFirst(rows: readonly UserRow[]): UserRow[] {
  return [...rows].sort((one, other) => other.end - one.end)
}

/** The id as text. @throws TypeError for anything but a non-empty string, a finite number or a bigint */
export function checkUserId(userId: unknown): string {
  const isId = typeof userId === 'bigint' || Number.isFinite(userId) || typeof userId === 'string'
  if (!isId || userId === '') {
    const type = userId === null ? 'null' : userId === '' ? 'an empty string' : typeof userId
    const words = Number.isNaN(userId) ? 'NaN' : type
    throw new TypeError(`Expected the user's id to be a non-empty string or a finite number, got ${words}`)
  }
  return String(userId)
}

/** `DestroyByUserOptions`, checked and with defaults. */
export interface Spared {
  readonly except: ReadonlySet<string>
  readonly keep: number
}

/** @throws TypeError, or StoreError STORE_SID */
export function checkDestroyOptions(options: unknown): Spared {
  if (typeof options !== 'object' || options === null) {
    throw new TypeError(`Expected the options of destroyByUser to be an object, got ${typeof options}`)
  }
  const unknown = Object.keys(options).find((key) => key !== 'except' && key !== 'keep')
  if (unknown !== undefined) {
    throw new TypeError(`Unknown option \`${unknown}\` of destroyByUser: the options are except, keep`)
  }
  const { except = [], keep = 0 } = options as DestroyByUserOptions
  const sids = Array.isArray(except) ? except : [except]
  for (const sid of sids) checkSid(sid)
  if (!Number.isInteger(keep) || keep < 0) {
    throw new TypeError(`Expected \`keep\` to be a whole number of at least 0, got a ${typeof keep}`)
  }
  return { except: new Set(sids), keep }
}

/** Whether the id may stand in a text: as it is or, where the text has a backslash, in another spelling. */
export function mayHoldId(text: string, id: string): boolean {
  return text.includes(id) || text.includes('\\')
}

/** Whether the id stands at the path in a row's text. */
export function isOfUser(text: string | null, path: readonly string[], id: string): boolean {
  let value: unknown
  try {
    value = JSON.parse(String(text))
  } catch {
    return false
  }
  for (const name of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return false
    value = (value as Record<string, unknown>)[name]
  }
  return (typeof value === 'string' || typeof value === 'number') && String(value) === id
}

/**
 * The sids of a user's sessions that are to be destroyed.
 * @param sids all of them, the last to expire first
 * @param alive those that have not expired; no other one is kept
 */
export function sidsToDestroy(
  sids: readonly string[],
  alive: ReadonlySet<string>,
  { except, keep }: Spared,
): string[] {
  const others = sids.filter((sid) => !except.has(sid))
  const spared = sids.filter((sid) => except.has(sid) && alive.has(sid)).length
  const kept = new Set(others.filter((sid) => alive.has(sid)).slice(0, Math.max(0, keep - spared)))
  return others.filter((sid) => !kept.has(sid))
}
