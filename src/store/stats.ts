// What the store has done since it was made, for a metrics page. Promises that no server is asked. Must not
// know who asks.

import type { Connections } from '../connection/pool.ts'
import type { Counters } from '../tracing/counters.ts'

/** Everything but `waiting` and `connections` only ever grows. */
export interface Stats {
  /** Calls of the methods, by name. */
  operations: Record<string, number>
  /** Calls that failed, by the code of their error; `other` for what a function of yours throws. */
  errors: Record<string, number>
  /** How many of them failed with `STORE_TIMEOUT`. */
  timeouts: number
  /** How many batches were sent. Each is one statement for the operations of several sids. */
  batches: number
  /** How often a statement was sent: batches and all others, each attempt by itself. */
  statements: number
  /** How often one was sent again, because of the connection or the server. */
  retries: number
  /** Saves with `onConflict` `merge` or `error` that found the row changed by somebody else. */
  conflicts: number
  /** Expired rows that this store has deleted. */
  pruned: number
  connectionsOpened: number
  /** How many operations wait for an answer now. */
  waiting: number
  /** As they are now. */
  connections: Connections
}

export function statsOf(counters: Counters, connections: Connections, waiting: number): Stats {
  const { operations, errors } = counters
  const timeouts = errors['STORE_TIMEOUT'] ?? 0
  return { ...counters, operations: { ...operations }, errors: { ...errors }, timeouts, waiting, connections }
}
