// Turns the rows that a batch's statement returned into answers, one for each sid. Promises that a row which
// was not asked for is given to nobody. Must not know how a statement is sent.

import type { Columns } from '../connection/query.ts'
import { mismatch } from '../errors.ts'
import type { OperationBatch } from './operations.ts'
import { rowOf } from './row.ts'

/** What comes back for one sid: the columns of its row, undefined if no row is returned for it. */
export type Answer = Columns | undefined

/**
 * The answers in the order of the keys.
 * @throws StoreError STORE_MISMATCH if a row was not asked for, or came twice
 */
export function answersOf({ keys, ops }: OperationBatch, rows: readonly Columns[]): Answer[] {
  const answers = new Map<string, Answer>(keys.map((sid) => [sid, undefined]))
  // `replace` returns three columns like `get`, of which only a session's text in a `get` can be null.
  const hasText = ops[0]?.verb === 'get' || ops[0]?.verb === 'replace'
  for (const columns of rows) {
    const [sid] = columns
    // A row that comes twice may have taken the place of another one, whose user would be logged out.
    if (typeof sid !== 'string' || !answers.has(sid) || answers.get(sid)) throw mismatch()
    answers.set(sid, hasText ? rowOf(columns) : columns)
  }
  return [...answers.values()]
}
