// What the store promises: its public methods with their meaning and their errors. Types and nothing else.

import type { SessionData, Store } from 'express-session'
import type { StoreEvents } from '../events.ts'
import type { Options } from '../options.ts'
import type { Entry } from '../session/entries.ts'
import type { DestroyByUserOptions, UserId } from '../session/user.ts'
import type { Health } from './health.ts'
import type { Callback } from './outcome.ts'
import type { Stats } from './stats.ts'

/**
 * `entries`, `createTable`, `createUserIndex`, `health`, `stats` and `close` take no callback. The other
 * methods return a promise if they get none. A callback is called exactly once.
 *
 * Every method but `close` can fail with:
 *
 * - `STORE_TIMEOUT`: it took longer than the option `timeout`. A write may or may not have been stored.
 * - `STORE_BUSY`: too many operations are waiting already, because the server is away.
 * - `STORE_CLOSED`: the store was closed before the call.
 * - `STORE_MISMATCH`: the driver returned rows that were not asked for. None of them was used.
 * - `STORE_TLS`, `STORE_PASSWORD`, `STORE_PROTOCOL`: no connection could be opened.
 * - a SQLSTATE, or a code of the network or the driver such as `ECONNREFUSED`.
 *
 * Methods that take a sid also fail with `STORE_SID` if it is not a non-empty, well-formed string without
 * NUL. Other codes are named at their methods. No error contains a sid, session data or a credential, but
 * what a `ttl` function throws passes as it is.
 */
export interface PostgresStore extends Store {
  /**
   * Reads a session, as a new object for every call. If its cookie has an expiry, it is set to the row's.
   * Resolves with null if the row is absent or has expired, or if the session is past `maxLifetime`. A locked
   * row is read without waiting, as it was before the other transaction.
   *
   * Fails with `STORE_SESSION` if the row cannot be read as a session.
   */
  get(sid: string): Promise<SessionData | null>
  get(sid: string, callback: Callback<SessionData | null> | undefined): void

  /**
   * Stores a session until its cookie expires, or for `ttl` seconds.
   *
   * A session that came out of `get`, or that express-session has made and saved once, only updates its row.
   * If the row is absent because somebody destroyed it, nothing is stored, and that is a success. If it may
   * be absent because it expired, the session is stored again. Any other object is stored whatever there is.
   * If somebody else has locked the row, the save waits for it until the `timeout`.
   *
   * Fails with `STORE_SESSION` if the session cannot be turned into text, or if `maxLifetime` is set and the
   * `serializer` drops keys, with `STORE_TTL` if the `ttl` function returns no number, and with
   * `STORE_CONFLICT` as the option `onConflict` says.
   */
  set(sid: string, session: SessionData): Promise<void>
  set(sid: string, session: SessionData, callback: Callback | undefined): void

  /**
   * Moves the expiry of the row and changes nothing else. A row that is absent or has expired stays so, and
   * that is a success. A locked row is waited for until the `timeout`. Fails with `STORE_TTL` as `set` does.
   *
   * With `maxLifetime`, a touch of a session whose row does not say when it was created stores that, too. It
   * fails with `STORE_SESSION` if the row cannot be read.
   */
  touch(sid: string, session: SessionData): Promise<void>
  touch(sid: string, session: SessionData, callback: Callback | undefined): void

  /**
   * Deletes the row. It is a success if the row is absent. A locked row is waited for until the `timeout`. A
   * session loaded earlier cannot bring the row back.
   */
  destroy(sid: string): Promise<void>
  destroy(sid: string, callback: Callback | undefined): void

  /**
   * Reads all sessions that have not expired, in the order of their sids. Rows that cannot be read are
   * skipped, and reported to `errorLog`; a serializer that does not answer within `timeout` ends it. For many
   * sessions `entries()` needs less memory.
   */
  all(): Promise<SessionData[]>
  all(callback: Callback<SessionData[]> | undefined): void

  /** Counts the sessions that have not expired. */
  length(): Promise<number>
  length(callback: Callback<number> | undefined): void

  /** Reads the sids of all sessions that have not expired, in their order. */
  ids(): Promise<string[]>
  ids(callback: Callback<string[]> | undefined): void

  /**
   * Deletes all rows of the table, also those of other stores. Locked rows are waited for until the
   * `timeout`.
   */
  clear(): Promise<void>
  clear(callback: Callback | undefined): void

  /**
   * Deletes all expired rows, in batches, and resolves with their number. Locked rows are skipped. Of several
   * processes that prune at once one works and the others delete nothing. The interval of the timer starts
   * anew.
   */
  pruneSessions(): Promise<number>
  pruneSessions(callback: Callback<number> | undefined): void

  /**
   * Iterates over all sessions that have not expired, in the order of their sids, of which it fetches some at
   * a time. Rows that cannot be read are skipped, and reported to `errorLog`. The `timeout` counts anew for
   * each fetch.
   * @example
   * for await (const { sid, session, expires } of store.entries()) {
   *   if (session.user === name) await store.destroy(sid)
   * }
   */
  entries(): AsyncGenerator<Entry, void, undefined>

  /**
   * Reads the sessions of a user that have not expired, the last to expire first. The user's id stands where
   * `userIdPath` says, and is compared as text: 42 and '42' are one user. Rows that cannot be read are
   * skipped, and reported to `errorLog`. With the index of `createUserIndex` no other row is looked at.
   *
   * Fails with a TypeError if the id is empty, or neither a string nor a finite number nor a bigint.
   */
  entriesByUser(userId: UserId): Promise<Entry[]>
  entriesByUser(userId: UserId, callback: Callback<Entry[]> | undefined): void

  /** The sids of those sessions, in the same order. */
  idsByUser(userId: UserId): Promise<string[]>
  idsByUser(userId: UserId, callback: Callback<string[]> | undefined): void

  /**
   * Destroys the sessions of a user, each as `destroy` does, and resolves with how many there were. Locked
   * rows are waited for until the `timeout`. If some cannot be destroyed it fails with the error of one of
   * them, and the others are destroyed.
   * @example
   * // Log out everywhere else:
   * await store.destroyByUser(req.user.id, { except: req.sessionID })
   * @example
   * // No more than three sessions of a user, the current one among them:
   * await store.destroyByUser(req.user.id, { except: req.sessionID, keep: 3 })
   */
  destroyByUser(userId: UserId, options?: DestroyByUserOptions): Promise<number>
  destroyByUser(userId: UserId, callback: Callback<number>): void
  destroyByUser(
    userId: UserId,
    options: DestroyByUserOptions | undefined,
    callback: Callback<number> | undefined,
  ): void

  /**
   * Creates the index for the three methods above, if it does not exist. The table stays in use meanwhile
   * (`create index concurrently`). Any number of processes can do so at once. An index that a failed attempt
   * has left is built anew. It takes as long as it takes: `timeout` does not count, and `close` does not wait
   * for it.
   */
  createUserIndex(): Promise<void>

  /**
   * - `'expire'`, with `{ sid, session }`: a prune of this store, by its timer or by `pruneSessions`, has
   *   deleted a session that had expired. `session` is as it was stored, and null if it cannot be read. The
   *   listener runs in no request's async context. Deleted rows are read only while there is a listener.
   * - `'destroy'`, with `{ sid }`: a call for the session to be destroyed has succeeded, whether there was a
   *   row or not. After `clear()` the `sid` is undefined. The listener runs in the context of that call,
   *   before it is answered.
   *
   * Nobody is told of rows that are deleted by SQL or by another store. What a listener throws, or a promise
   * that it returns rejects with, goes to `errorLog`. `'connect'` and `'disconnect'` are never emitted.
   * @example
   * store.on('expire', ({ sid, session }) => removeUploads(session?.uploads))
   */
  on<Name extends keyof StoreEvents>(event: Name, listener: (event: StoreEvents[Name]) => unknown): this
  on(event: string | symbol, listener: (...values: any[]) => void): this
  /** As `on`, for the next such event only. */
  once<Name extends keyof StoreEvents>(event: Name, listener: (event: StoreEvents[Name]) => unknown): this
  once(event: string | symbol, listener: (...values: any[]) => void): this

  /**
   * Creates the table and its index if the table does not exist. Any number of processes can do so at once.
   */
  createTable(): Promise<void>

  /**
   * Tells whether the store can do its work, for a readiness probe. Resolves within a second whatever the
   * server does, and never rejects.
   * @example
   * app.get('/healthz', async (req, res) => {
   *   const health = await store.health()
   *   res.status(health.ok ? 200 : 503).json(health)
   * })
   */
  health(): Promise<Health>

  /** Counts what the store has done since it was made. Asks no server. */
  stats(): Stats

  /**
   * Stops the timer, refuses new operations with `STORE_CLOSED`, waits for those under way, and closes the
   * store's own connections. The instance given as `postgres` stays open. Never fails because of an
   * operation, ends within about the `timeout`, and can be called more than once.
   */
  close(): Promise<void>
  /** The same as `close()`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>
}

export type PostgresStoreClass = new (options?: Options) => PostgresStore
