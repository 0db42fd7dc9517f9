// A session's row as the statements return it, and a check of that. Must not know what is in the session.

import type { Columns } from '../connection/query.ts'
import { mismatch } from '../errors.ts'

/** The columns of a `Row` for a select list. @param sid as SQL @param epoch as SQL, see `Pieces` */
export const rowColumns = (sid: string, epoch: string): string => `${sid}, s.sess::text, ${epoch}`

/**
 * `expire` is in seconds since 1970. It stays the array that came from the driver, because V8 learns to
 * allocate objects that live as long as a batch in the old space, where each would keep the session's text
 * alive until the next full garbage collection (seen on Node 20.20).
 */
export type Row = readonly [sid: string, sess: string | null, expire: string]

/** @throws StoreError STORE_MISMATCH if these are not the columns of a session's row */
export function rowOf(columns: Columns): Row {
  // Only the text can be null, in a row that no session store has written.
  if (columns.length !== 3 || columns[0] === null || columns[2] === null) throw mismatch()
  return columns as Row
}
