// Which session ids are valid. Promises that two different valid sids are never sent as the same text. Must
// not know sessions.

import { StoreError } from '../errors.ts'

/** @throws StoreError STORE_SID if no row can have this sid, or if another sid would have the same row */
export function checkSid(sid: unknown): asserts sid is string {
  // Node encodes every lone surrogate as U+FFFD, so two sids that differ only in one would share a row.
  if (typeof sid !== 'string' || sid === '' || sid.includes('\0') || !sid.isWellFormed()) {
    throw new StoreError('STORE_SID', 'The session id must be a non-empty, well-formed string without NUL')
  }
}
