// Sends a question or a change of the command line's own, for which the store has no statement. Must not know
// any of them.

import { monotonicMs } from '../clock.ts'
import type { Pool } from '../connection/pool.ts'
import type { Columns } from '../connection/query.ts'

/** @param ms after which it is given up */
export function ask(pool: Pool, text: string, parameters: readonly string[], ms: number): Promise<Columns[]> {
  return pool.query({ verb: 'ask', text, parameters: () => parameters, until: monotonicMs() + ms })
}

// As long as other statements of the commands are tried again.
const CONNECTING_MS = 300_000

/** Waits for a connection, if there is none. */
export async function connected(pool: Pool): Promise<void> {
  await ask(pool, `select 'connected'`, [], CONNECTING_MS)
}

/**
 * Runs a statement that may not run twice: it is not tried again once it was sent.
 * @param ms after which it is given up
 */
export async function change(pool: Pool, text: string, ms: number): Promise<void> {
  // To connect may be tried again.
  await connected(pool)
  await pool.query({ verb: 'change', text, parameters: () => [], until: monotonicMs() + ms, isOnce: true })
}
