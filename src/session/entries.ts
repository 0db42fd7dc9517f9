// Reads all rows as sessions, some at a time. Promises that a row which cannot be read is reported and
// skipped, so that it hides no other, and that a serializer which does not answer ends it. Must not know how
// rows are fetched.

import type { SessionData } from 'express-session'
import type { Row } from '../table/row.ts'
import { logouts } from './logouts.ts'
import type { Reader } from './reader.ts'
import { isTimeout } from './text.ts'

/** One row of the table, as `entries()` yields it. */
export interface Entry {
  sid: string
  session: SessionData
  /** When the session ends. An invalid Date if the column holds `infinity`. */
  expires: Date
}

export interface EntrySource {
  /** How many rows `rowsAfter` returns, unless fewer are left. */
  readonly limit: number
  /** The next rows in the order of their sids. @param sid the last one so far; empty for the first rows */
  rowsAfter(sid: string): Promise<readonly Row[]>
  readonly reader: Reader
  errorLog(message: string, error: unknown): unknown
}

export async function* entries(source: EntrySource): AsyncGenerator<Entry, void, undefined> {
  for (let sid = ''; ; ) {
    const logoutCount = logouts.count
    const rows = await source.rowsAfter(sid)
    const failures: unknown[] = []
    try {
      for (const row of rows) {
        sid = row[0]
        const read = async () => source.reader.read(row, logoutCount)
        const session = await read().catch((error) => {
          // It would be waited for again at each row.
          if (isTimeout(error)) throw error
          failures.push(error)
        })
        if (session) yield { sid, session, expires: new Date(source.reader.expiryOf(session, sid) * 1000) }
      }
    } finally {
      const { length } = failures
      if (length > 0) source.errorLog(`Skipped ${length} session(s) that cannot be read`, failures[0])
    }
    if (rows.length < source.limit) return
  }
}
