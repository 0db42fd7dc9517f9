// Which session ids there can be. Must not know sessions.

import { StoreError } from '../errors.ts'

/** @throws StoreError if no row can have this sid, or if another sid would have the same row */
export function checkSid(sid: unknown): asserts sid is string {
  // The driver would write a lone surrogate as U+FFFD: two sids that differ only there would be one row.
  if (typeof sid !== 'string' || sid === '' || sid.includes('\0') || !sid.isWellFormed()) {
    throw new StoreError('STORE_SID', 'The session id must be a non-empty, well-formed string without NUL')
  }
}
