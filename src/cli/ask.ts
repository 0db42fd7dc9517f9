// Sends a question of the command line's own, for which the store has no statement. Must not know any of
// them.

import { monotonicMs } from '../clock.ts'
import type { Pool } from '../connection/pool.ts'
import type { Columns } from '../connection/query.ts'

/** @param ms after which it is given up */
export function ask(pool: Pool, text: string, parameters: readonly string[], ms: number): Promise<Columns[]> {
  return pool.query({ verb: 'ask', text, parameters: () => parameters, until: monotonicMs() + ms })
}
