// What can be done to one sid, and what two of those in a row amount to. Pure: must not know how they are sent.

/** Times are in seconds since 1970. `floor`: only a row that expires then or later is there to be changed. */
export type Operation =
  | { readonly verb: 'get' }
  | {
      readonly verb: 'upsert' | 'update'
      readonly sess: string
      readonly expire: number
      readonly floor: number
    }
  | Replace
  | { readonly verb: 'touch'; readonly expire: number; readonly floor: number }
  | { readonly verb: 'destroy' }

/** An update, if the row still holds the text `was`; or an insert, if there is no row. */
export interface Replace {
  readonly verb: 'replace' | 'insert'
  readonly sess: string
  readonly was: string
  /** What the request made of the session: `sess` is that, or a merge of it and what others stored. */
  readonly mine: string
  /** What the request knows by now, as it may have saved meanwhile. Undefined if that is nothing. */
  lastKnown(): { readonly base: string; readonly row: string } | undefined
  /** Whether the row can be missing without a logout. */
  mayBeMissing(): boolean
  readonly expire: number
  readonly floor: number
}

/**
 * One operation with the effect of `earlier` and then `later` on the same sid, so that a batch holds each sid once.
 * Undefined where no single one has it: then they go one after the other.
 */
export function fold(earlier: Operation, later: Operation): Operation | undefined {
  if (earlier.verb === 'get' || later.verb === 'get') return earlier.verb === later.verb ? later : undefined
  if (later.verb === 'destroy') return later
  // After a destroy an update or touch finds nothing. An insert must find nothing either, also in columns
  // that are not ours.
  if (earlier.verb === 'destroy') {
    return later.verb === 'upsert' || later.verb === 'insert' ? undefined : earlier
  }
  // Whether it is in conflict shows only when it is alone, and is the fault of no other.
  if ('was' in earlier || 'was' in later) return undefined
  if (later.verb === 'upsert') return later
  // An update or touch follows: it has an effect only if what `earlier` leaves behind is still alive for it.
  if (earlier.expire < later.floor || later.floor < earlier.floor) return undefined
  if (later.verb === 'touch') return { ...earlier, expire: later.expire }
  return { ...later, verb: earlier.verb === 'upsert' ? 'upsert' : 'update', floor: earlier.floor }
}
