// The operations on one sid, and how two in a row fold into one. Pure functions: must not know how they are
// sent.

import type { SessionData } from 'express-session'

/** Times are in seconds since 1970. A row that expires before `aliveAt` counts as absent. */
export type Operation =
  | { readonly verb: 'get' }
  | {
      readonly verb: 'upsert' | 'update'
      readonly sess: string
      readonly expire: number
      readonly aliveAt: number
    }
  | Replace
  | { readonly verb: 'touch'; readonly expire: number; readonly aliveAt: number }
  | { readonly verb: 'destroy' }

/** Operations of one verb on distinct sids, to be done by one statement. */
export interface OperationBatch {
  readonly keys: readonly string[]
  readonly ops: readonly Operation[]
  /** Whether to skip rows that somebody else holds. */
  readonly skipsHeld: boolean
  /** Whether to wait for locks longer than usual. */
  readonly isPatient: boolean
}

/**
 * No row holds this text, as it is not JSON. A replace of it changes nothing, and its answer says what the
 * row holds.
 */
export const UNKNOWN = ' '

/** What a request was to store, and what was stored instead, with what another one had changed. */
export interface Merge {
  readonly mine: SessionData
  readonly merged: SessionData
}

/** `replace` updates the row if it still holds the text `was`. `insert` inserts the row if there is none. */
export interface Replace {
  readonly verb: 'replace' | 'insert'
  readonly sess: string
  readonly was: string
  /** The session as this request saves it. `sess` is that text, or a merge of it with what others stored. */
  readonly mine: string
  /**
   * The texts that the request knows at the moment of the call: it may have saved since the operation was
   * made. Undefined if it knows none. See `Loaded`.
   */
  lastKnownTexts(): { readonly base: string; readonly row: string } | undefined
  /** Whether the row can be missing without a logout, because it expired. */
  mayBeMissing(): boolean
  /** Returns when the merged session expires, in seconds since 1970. Left out where nothing is merged. */
  onMerged?(merge: Merge): number
  /** Whether an insert of it was not done because there seemed to be a row. */
  readonly found?: true
  /** What to do once the row is known to hold this text, if that is all that the operation is to find out. */
  onRow?(row: string): Promise<Operation>
  /** Runs work in the async context of the save, such as the user's serializer. */
  inContext<T>(work: () => T): T
  readonly expire: number
  readonly aliveAt: number
}

/**
 * One operation with the effect of `earlier` and then `later` on the same sid, because a batch can hold each
 * sid only once. Undefined if there is none; the two are then sent one after the other.
 */
export function fold(earlier: Operation, later: Operation): Operation | undefined {
  if (earlier.verb === 'get' || later.verb === 'get') return earlier.verb === later.verb ? later : undefined
  if (later.verb === 'destroy') return later
  // An update or touch after the destroy would find no row, so the destroy is all there is to do. An upsert
  // or insert after it must start from no row, so that columns the user has added to the table get their
  // defaults.
  if (earlier.verb === 'destroy') {
    return later.verb === 'upsert' || later.verb === 'insert' ? undefined : earlier
  }
  // Whether a save conflicts depends on the row's text just before it, so it is not folded with others.
  if ('was' in earlier || 'was' in later) return undefined
  if (later.verb === 'upsert') return later
  // `later` is an update or touch: it has an effect only if the row that `earlier` leaves is still alive for
  // it.
  if (earlier.expire < later.aliveAt || later.aliveAt < earlier.aliveAt) return undefined
  if (later.verb === 'touch') return { ...earlier, expire: later.expire }
  return { ...later, verb: earlier.verb === 'upsert' ? 'upsert' : 'update', aliveAt: earlier.aliveAt }
}
