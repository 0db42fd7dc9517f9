// The express-session contract: one short method per verb, each with a callback or, without one, a promise. Must not
// know how a session is stored.

import type { Session, SessionData, Store } from 'express-session'
import { type Options, parseOptions, type Settings } from './options.ts'
import { type Callback, deliver, type Work } from './outcome.ts'
import { type Entry, Rows } from './rows.ts'

type Request = Parameters<Store['createSession']>[0]

/**
 * Every method without a callback returns a promise. Errors have a `code`: the SQLSTATE, that of the network, or
 * `STORE_TIMEOUT`, `STORE_BUSY`, `STORE_CLOSED`, `STORE_SID`, `STORE_SESSION`, `STORE_TTL`, `STORE_CONFLICT`, `STORE_MISMATCH`, `STORE_TLS`. None holds a sid, session
 * data or a credential. A `STORE_TIMEOUT` of a write leaves open whether it was stored.
 */
export interface PostgresStore extends Store {
  /** The session, an object of its own for every call; null if there is no row or it has expired. */
  get(sid: string): Promise<SessionData | null>
  get(sid: string, callback: Callback<SessionData | null> | undefined): void

  /**
   * Stores the session until its cookie expires, or `ttl` seconds. One that came out of `get`, or that
   * express-session made and saved once, is stored only while its row is there: if somebody destroyed it
   * meanwhile, that is a success and nothing is stored. Any other object is stored in any case. The README
   * says what holds after the session's expiry.
   */
  set(sid: string, session: SessionData): Promise<void>
  set(sid: string, session: SessionData, callback: Callback | undefined): void

  /** Moves the expiry of the row and nothing else. A row that is absent or expired stays so, which is a success. */
  touch(sid: string, session: SessionData): Promise<void>
  touch(sid: string, session: SessionData, callback: Callback | undefined): void

  /** Deletes the row. That there is none is a success. */
  destroy(sid: string): Promise<void>
  destroy(sid: string, callback: Callback | undefined): void

  /** All sessions that have not expired, in the order of their sids. For many, `entries()` needs less memory. */
  all(): Promise<SessionData[]>
  all(callback: Callback<SessionData[]> | undefined): void

  /** The number of sessions that have not expired. */
  length(): Promise<number>
  length(callback: Callback<number> | undefined): void

  /** The sids of all sessions that have not expired. */
  ids(): Promise<string[]>
  ids(callback: Callback<string[]> | undefined): void

  /** Deletes all rows, also those of other stores on the same table. */
  clear(): Promise<void>
  clear(callback: Callback | undefined): void

  /**
   * Deletes expired rows in batches and resolves with their number. Of many processes that prune at once one works; the
   * others, and who finds a row locked, pass over it. The timer counts from here again.
   */
  pruneSessions(): Promise<number>
  pruneSessions(callback: Callback<number> | undefined): void

  /** All sessions that have not expired, page by page, in the order of their sids. */
  entries(): AsyncGenerator<Entry, void, undefined>

  /** Creates the table and its index if the table is not there. Any number of processes may do so at once. */
  createTable(): Promise<void>

  /**
   * Stops the timer, refuses new operations with `STORE_CLOSED`, waits for those under way and closes the store's own
   * connections; the instance given as `postgres` stays open. May be called again.
   */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

export type PostgresStoreClass = new (options?: Options) => PostgresStore

/** @param Base express-session's `Store`, known only at run time */
export function storeClass(Base: new () => Store): PostgresStoreClass {
  return class PostgresStore extends (Base as new (options: Options) => Store) {
    readonly #rows: Rows
    readonly #errorLog: Settings['errorLog']

    constructor(options: Options = {}) {
      super(options)
      const settings = parseOptions(options)
      this.#rows = new Rows(settings)
      this.#errorLog = settings.errorLog
    }

    override get(sid: string, callback?: Callback<SessionData | null>): any {
      return this.#deliver('get', (...how) => this.#rows.get(sid, ...how), callback)
    }

    override set(sid: string, session: SessionData, callback?: Callback): any {
      return this.#deliver('set', this.#rows.set(sid, session), callback)
    }

    override touch(sid: string, session: SessionData, callback?: Callback): any {
      return this.#deliver('touch', this.#rows.touch(sid, session), callback)
    }

    override destroy(sid: string, callback?: Callback): any {
      return this.#deliver('destroy', this.#rows.destroy(sid), callback)
    }

    override all(callback?: Callback<SessionData[]>): any {
      return this.#deliver('all', this.#rows.all(), callback)
    }

    override length(callback?: Callback<number>): any {
      return this.#deliver('length', this.#rows.length(), callback)
    }

    ids(callback?: Callback<string[]>): any {
      return this.#deliver('ids', this.#rows.ids(), callback)
    }

    override clear(callback?: Callback): any {
      return this.#deliver('clear', this.#rows.clear(), callback)
    }

    pruneSessions(callback?: Callback<number>): any {
      return this.#deliver('pruneSessions', this.#rows.prune(), callback)
    }

    entries(): AsyncGenerator<Entry, void, undefined> {
      return this.#rows.entries()
    }

    createTable(): Promise<void> {
      return this.#rows.createTable()
    }

    close(): Promise<void> {
      return this.#rows.close()
    }

    [Symbol.asyncDispose](): Promise<void> {
      return this.#rows.close()
    }

    /** express-session hands over what `get` gave and works on with the result: both are the same loaded session. */
    override createSession(req: Request, session: SessionData): Session & SessionData {
      const created = super.createSession(req, session)
      this.#rows.carry(session, created)
      return created
    }

    #deliver<T>(verb: string, work: Work<T>, callback: Callback<T> | undefined): Promise<T> | undefined {
      return deliver(work, callback, (error) => {
        this.#errorLog(`\`${verb}\` failed and nobody was waiting for it`, error)
      })
    }
  }
}
