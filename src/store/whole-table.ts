// The calls that concern all sessions of the table. Promises that each sees the writes that were issued
// before it, and that a read of the table delays no write. Must not know Express, callbacks or the driver.

import type { SessionData } from 'express-session'
import { now } from '../clock.ts'
import { codeOf, timedOut } from '../errors.ts'
import type { Events } from '../events.ts'
import { type Entry, type EntrySource, entries } from '../session/entries.ts'
import { logouts } from '../session/logouts.ts'
import type { Reader } from '../session/reader.ts'
import type { Settings } from '../settings/settings.ts'
import { LOCK_NOT_AVAILABLE } from '../sqlstate.ts'
import { milliseconds } from '../table/parameters.ts'
import { type Row, rowOf } from '../table/row.ts'
import type { Table, ValuesByName } from '../table/table.ts'
import type { Calls } from './calls.ts'
import type { OperationQueue } from './operation-queue.ts'

// How many rows `all` and `entries` fetch at a time.
const ROWS_AT_A_TIME = 200

export class WholeTable {
  readonly #table: Table
  readonly #queue: OperationQueue
  readonly #calls: Calls
  readonly #events: Events
  readonly #source: Omit<EntrySource, 'rowsAfter'>

  constructor(
    table: Table,
    queue: OperationQueue,
    calls: Calls,
    reader: Reader,
    events: Events,
    errorLog: Settings['errorLog'],
  ) {
    this.#table = table
    this.#queue = queue
    this.#calls = calls
    this.#events = events
    this.#source = { limit: ROWS_AT_A_TIME, reader, errorLog }
  }

  length(): Promise<number> {
    return this.#afterWrites((until) => this.#table.count('length', () => ({ now: now() }), until))
  }

  async ids(): Promise<string[]> {
    const rows = await this.#afterWrites((until) => this.#table.query('ids', () => ({ now: now() }), until))
    return rows.map(([sid]) => sid as string)
  }

  all(): Promise<SessionData[]> {
    return this.#afterWrites(async (until) => {
      const sessions: SessionData[] = []
      const rowsAfter = (sid: string) => this.#rowsAfter(sid, until)
      for await (const { session } of entries({ ...this.#source, rowsAfter })) sessions.push(session)
      return sessions
    })
  }

  entries(): AsyncGenerator<Entry, void, undefined> {
    const rowsAfter = (sid: string) => this.#afterWrites((until) => this.#rowsAfter(sid, until))
    return entries({ ...this.#source, rowsAfter })
  }

  async clear(): Promise<void> {
    this.#calls.start()
    logouts.addAll()
    const until = this.#table.deadline()
    const values: ValuesByName = ({ leftMs, latest }) => ({ latest, lockWaitMs: milliseconds(leftMs) })
    const deleteAll = () => this.#table.count('clear', values, until)
    await this.#calls
      .track(this.#queue.runExclusive(deleteAll))
      .catch((error) => {
        throw codeOf(error) === LOCK_NOT_AVAILABLE ? timedOut(error) : error
      })
      // Once more, for the sessions that were read while it waited.
      .finally(() => logouts.addAll())
    this.#events.tell('destroy', { sid: undefined })
  }

  /**
   * Runs a read of the whole table after all writes that were issued before. It delays no write.
   * @param read gets the deadline, which counts from the call
   */
  async #afterWrites<T>(read: (until: number) => Promise<T>): Promise<T> {
    this.#calls.start()
    const until = this.#table.deadline()
    return this.#calls.track(this.#queue.after(() => read(until)))
  }

  async #rowsAfter(sid: string, until: number): Promise<Row[]> {
    const values = () => ({ now: now(), after: sid, limit: ROWS_AT_A_TIME })
    const rows = await this.#table.query('entriesAfter', values, until)
    return rows.map(rowOf)
  }
}
