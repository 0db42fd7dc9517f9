// What a probe is: a look that takes more than one question, or more than the server. Must not know which
// probes there are.

import type { Pool } from '../../connection/pool.ts'
import type { Columns } from '../../connection/query.ts'
import type { Settings } from '../../settings/settings.ts'
import { ask as askFor } from '../ask.ts'
import { fixOf, type Repairable, type Subject } from './check.ts'

/** What a probe has at hand. The pool has one connection. */
export interface Visit {
  readonly pool: Pool
  readonly settings: Settings
  readonly subject: Subject
  /** When the pool's connection was opened at the earliest, in ms of the monotonic clock. */
  readonly openedAt: number
  /** Ends what the server still does for this process. */
  cancel(): Promise<unknown>
}

export interface Probe {
  /** Of its findings. The first one stands for all if the probe fails. */
  readonly codes: readonly string[]
  look(visit: Visit): Promise<readonly Repairable[]>
}

// A question that waits for a lock, or has to read a large table, should not hold up the others for long.
const PATIENCE_MS = 10_000

export function ask(pool: Pool, text: string, parameters: readonly string[] = []): Promise<Columns[]> {
  return askFor(pool, text, parameters, PATIENCE_MS)
}

export function repairable(
  finding: Omit<Repairable, 'fix' | 'statements' | 'isSafe'>,
  statements: readonly string[] = [],
  isSafe = false,
): Repairable {
  return { ...finding, fix: fixOf(statements), statements, isSafe }
}
