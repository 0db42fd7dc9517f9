// Every option of the store with its type, meaning, unit and default. These are the public types and nothing
// else. Must not know how options are checked or used.

import type { SessionData } from 'express-session'
import type { Sql } from 'postgres'

/** Turns a session into JSON text, and back. Both functions may be async. */
export interface Serializer {
  /**
   * Must return the JSON of an object, as the column has the type `json`. It is called synchronously by
   * `set`. If it throws, or returns no text, the save fails with `STORE_SESSION`; if its promise is open for
   * longer than `timeout`, with `STORE_TIMEOUT`. Text that PostgreSQL refuses fails with its SQLSTATE.
   */
  stringify(session: SessionData): string | Promise<string>
  /**
   * Gets what `stringify` returned, or what connect-pg-simple has written. If it throws, or returns no
   * object, `get` fails with `STORE_SESSION`; if its promise is open for longer than `timeout`, with
   * `STORE_TIMEOUT`. The row stays as it is.
   */
  parse(text: string): SessionData | Promise<SessionData>
}

/**
 * The keys of node-postgres' connection object. Those that cannot have an effect in this store, such as
 * `types`, are accepted and ignored. An unknown key is a TypeError.
 */
export type ConObject = Readonly<Record<string, any>>

/** All options are optional. A wrong value or an unknown option is a TypeError in the constructor. */
export interface Options {
  /**
   * A postgres.js instance, as `postgres(url)` returns it. The store opens connections of its own with the
   * instance's settings. It neither queries nor ends the instance itself, unless `isolate` is `false`.
   *
   * Wins over `conObject` and `conString`. A transaction, a reserved connection and `undefined` are
   * TypeErrors.
   */
  postgres?: Sql<any>
  /**
   * A connection URL, with the meaning it has for node-postgres. `undefined` is a TypeError, so that a
   * variable that is not set does not lead to another database.
   * @default process.env.DATABASE_URL, or the PG* variables if that is not set
   */
  conString?: string
  /**
   * node-postgres' connection object. Wins over `conString`. `undefined` is a TypeError.
   * @example
   * // With the settings of an existing pool of node-postgres:
   * new PostgresStore({ conObject: pool.options })
   * @example
   * const conObject = { host: 'db.example.com', user: 'app', password, database: 'shop', ssl: true }
   * new PostgresStore({ conObject })
   */
  conObject?: ConObject
  /** The name of the table. A dot is part of the name. @default 'session' */
  tableName?: string | undefined
  /** The name of the table's schema. @default none: the `search_path` of the connection decides */
  schemaName?: string | undefined
  /**
   * The lifetime, in seconds, of a session whose cookie has no `expires`. A cookie with `expires` decides by
   * itself.
   *
   * A function is called at every save and touch of such a session. If it returns no number, the call fails
   * with `STORE_TTL`; if it throws, the call fails with what it throws.
   * @default 86400, one day
   * @example
   * // A month for users who asked to be remembered, an hour for all others:
   * new PostgresStore({ ttl: (session, sid) => (session.remember ? 30 * 86_400 : 3600) })
   */
  ttl?: number | ((session: SessionData, sid: string) => number) | undefined
  /**
   * Whether to create the table and its index at the first use if the table does not exist.
   * @default false
   */
  createTableIfMissing?: boolean | undefined
  /**
   * Where in a session the user's id is, as a list of property names. For `entriesByUser`, `idsByUser` and
   * `destroyByUser`, which look for it in the rows' JSON.
   * @default ['passport', 'user']
   */
  userIdPath?: readonly string[] | undefined
  /**
   * Whether a table that the store creates gets an index on the users' ids. For a table that exists there is
   * `createUserIndex()`.
   * @default false
   */
  userIndex?: boolean | undefined
  /**
   * Whether `touch` does nothing. Sessions then expire at the time that their last save has set.
   * @default false
   */
  disableTouch?: boolean | undefined
  /**
   * In seconds. A touch that would move the expiry of a loaded session by less than this is not sent. For a
   * short session the limit is a tenth of its remaining lifetime, so that a session in use does not expire.
   * `0` sends every touch. One that would shorten the session is always sent.
   * @default a hundredth of the session's lifetime, at most 60
   */
  touchInterval?: number | undefined
  /**
   * The longest lifetime of a session, in seconds from its creation, whatever saves and touches come. A
   * session that was stored without this option counts from the first time it is loaded with it.
   *
   * When the session was created is stored in its text, in seconds since 1970, as the top-level key
   * `connect-postgres-simple:created`. The app does not see the key. A `serializer` does, and must keep it,
   * or saves fail with `STORE_SESSION`.
   * @default none
   * @example
   * // Two hours after the last request, but twelve hours after the login in any case:
   * new PostgresStore({ ttl: 2 * 3600, maxLifetime: 12 * 3600 })
   */
  maxLifetime?: number | undefined
  /**
   * The time in seconds from the end of a prune to the start of the next one, before it is randomized.
   * `false` prunes only when `pruneSessions()` is called. The timer starts with the first use of the store,
   * and keeps no process alive.
   * @default 60
   */
  pruneSessionInterval?: number | false | undefined
  /**
   * How the interval is varied, so that processes started together do not all prune together. `false` uses it
   * unchanged. A function gets it in milliseconds and returns milliseconds, from 0 to 2147483647. If it
   * throws, or returns anything else, `errorLog` is called and the interval is used unchanged.
   * @default a random value from 50 % to 150 % of the interval
   * @example
   * // Between the interval and a tenth more:
   * new PostgresStore({ pruneSessionRandomizedInterval: (ms) => ms * (1 + Math.random() / 10) })
   */
  pruneSessionRandomizedInterval?: ((milliseconds: number) => number) | false | undefined
  /**
   * Is called with errors that no caller gets, such as those of the timer's prunes. It is also called once
   * when no server can be reached, and once, with `undefined` as the error, when one can be reached again.
   * @default console.error
   */
  errorLog?: ((message: string, error: unknown) => void) | undefined
  /**
   * How a session becomes the text in its row, and back.
   * @default JSON.stringify and JSON.parse
   * @example
   * // Encrypted at rest. What `stringify` returns must be JSON, here a JSON object with one string:
   * new PostgresStore({
   *   serializer: {
   *     stringify: (session) => JSON.stringify({ sealed: seal(JSON.stringify(session)) }),
   *     parse: (text) => JSON.parse(unseal(JSON.parse(text).sealed)),
   *   },
   * })
   */
  serializer?: Serializer | undefined
  /**
   * How many seconds an operation may take, including retries and waiting. Then it fails with
   * `STORE_TIMEOUT`. After that error a write may or may not have been stored.
   * @default 10
   */
  timeout?: number | undefined
  /**
   * The largest number of connections that the store opens.
   * @default `conObject.max`, or 4 if that is not given
   */
  max?: number | undefined
  /**
   * `false` runs the store's statements on the connections of the instance given as `postgres`, which is
   * needed for a wrapper whose settings cannot be read. The risk: on connections with other queries the
   * driver can mix up rows. An instance that changes text or rows by `transform` or `types` is then a
   * TypeError.
   * @default true
   */
  isolate?: boolean | undefined
  /**
   * What a save does if the row has changed since this request loaded the session.
   *
   * - `'overwrite'`: the row becomes what this request has.
   * - `'merge'`: the top-level keys that this request changed, added or deleted are applied to what the row
   *   holds now. The row then expires when the session expires that this makes.
   * - `'error'`: nothing is stored, and the save fails with `STORE_CONFLICT`.
   * @default 'overwrite'
   * @example
   * // Two requests load `{ cart: [], seen: 1 }`. One saves `{ cart: ['book'], seen: 1 }`, then the other
   * // saves `{ cart: [], seen: 2 }`. The row then holds `{ cart: ['book'], seen: 2 }`:
   * new PostgresStore({ onConflict: 'merge' })
   */
  onConflict?: 'overwrite' | 'merge' | 'error' | undefined
}
