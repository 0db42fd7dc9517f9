// What the store has counted since it was made. Must not know who asks.

import { StoreError } from '../errors.ts'

export class Counters {
  /** Calls, by the name of the method. */
  readonly operations: Record<string, number> = {}
  /** Calls that failed, by the code of their error. */
  readonly errors: Record<string, number> = Object.create(null)
  /** Batches, each of which is one statement for several sids. */
  batches = 0
  /** Attempts to run a statement, of batches and all others. */
  statements = 0
  /** Those that were repeated, because of the connection or the server. */
  retries = 0
  /** Saves that found a row changed by somebody else. */
  conflicts = 0
  /** Expired rows that this store has deleted. */
  pruned = 0
  connectionsOpened = 0

  called(verb: string): void {
    this.operations[verb] = (this.operations[verb] ?? 0) + 1
  }

  failed(error: unknown): void {
    // Whatever a function of the app's own throws is one kind: its codes may be endless, or no text.
    const code = error instanceof StoreError ? error.code : 'other'
    this.errors[code] = (this.errors[code] ?? 0) + 1
  }
}
