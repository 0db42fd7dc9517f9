// Every option of the store: its type, meaning, default and check. The only place that defaults and the only door:
// an untrusted object goes in, complete settings come out, or a TypeError. Must not know what the settings are used for.

import type { SessionData } from 'express-session'
import type { Sql } from 'postgres'
import { nearest } from './nearest.ts'
import { reporter } from './report.ts'

/** The JSON text of a session, and back. Either may be async. */
export interface Serializer {
  /** Must give valid JSON that stands for an object: the column is of type `json`. It is called at once, before any waiting. */
  stringify(session: SessionData): string | Promise<string>
  /** Is given what `stringify` gave, or what connect-pg-simple wrote. A throw is an error of `get`; the row stays. */
  parse(text: string): SessionData | Promise<SessionData>
}

/** Keys of node-postgres' connection object. Those without a counterpart here are accepted and have no effect. */
export type ConObject = Readonly<Record<string, any>>

export interface Options {
  /**
   * A postgres.js instance (`postgres(url)`). Its settings are used for connections of the store's own; the instance
   * itself is neither queried nor ended, unless `isolate` is `false`. A transaction or a reserved connection is refused.
   *
   * Wins over `conObject` and `conString`. Leave out what you do not mean: undefined is refused.
   */
  postgres?: Sql<any>
  /**
   * A connection URL, with the meaning it has for node-postgres.
   * @default process.env.DATABASE_URL, then the PG* variables
   */
  conString?: string
  /**
   * node-postgres' connection object, such as the `options` of a pool. Wins over `conString`.
   */
  conObject?: ConObject
  /** Name of the table; a dot is part of the name. @default 'session' */
  tableName?: string | undefined
  /** Name of the schema. @default none: the connection's search_path decides */
  schemaName?: string | undefined
  /**
   * Lifetime in seconds of a session whose cookie has no `expires`; one whose cookie has, lives as long as its cookie.
   * @default 86400, one day
   */
  ttl?: number | ((session: SessionData, sid: string) => number) | undefined
  /** Create the table on first use when it is not there. @default false */
  createTableIfMissing?: boolean | undefined
  /** `touch` does nothing. @default false */
  disableTouch?: boolean | undefined
  /**
   * In seconds. A touch that would move the expiry by less than this is not sent. A tenth of the session's
   * lifetime counts where that is less, so that a session in use does not end.
   * @default 0: every touch is sent
   */
  touchInterval?: number | undefined
  /** Seconds between two prunes; `false` never prunes by timer. @default 60 */
  pruneSessionInterval?: number | false | undefined
  /** `false` takes the interval as it is; a function gets it in milliseconds and returns milliseconds. @default 50–150 % of it */
  pruneSessionRandomizedInterval?: ((milliseconds: number) => number) | false | undefined
  /**
   * Gets errors that have no caller. Also told once when the server cannot be reached, and once, with
   * `undefined` as the error, when it can be reached again. @default console.error
   */
  errorLog?: ((message: string, error: unknown) => void) | undefined
  /** How a session becomes the text in the row, and back. @default JSON */
  serializer?: Serializer | undefined
  /** Seconds one operation may take, retries included; then it fails with code `STORE_TIMEOUT`. @default 10 */
  timeout?: number | undefined
  /** Connections of the store's own, at most. @default 4 */
  max?: number | undefined
  /**
   * `false` runs the store's statements on the connections of the instance given as `postgres`. Needed for a wrapper
   * whose settings cannot be read. The driver can mix up rows on connections that others use too. @default true
   */
  isolate?: boolean | undefined
  /**
   * What a save does when the row changed since this request loaded it. `overwrite`: the row becomes what this request has.
   * `merge`: what this request changed, added or deleted, by top-level key, is applied to the row as it now is. `error`:
   * nothing is stored and the save fails with `STORE_CONFLICT`. @default 'overwrite'
   */
  onConflict?: 'overwrite' | 'merge' | 'error' | undefined
}

/** What the store works with: every option given, times in milliseconds where the name says so. */
export interface Settings {
  readonly postgres: Sql<any> | undefined
  readonly conString: string | undefined
  readonly conObject: ConObject | undefined
  readonly tableName: string
  readonly schemaName: string | undefined
  readonly ttl: NonNullable<Options['ttl']>
  readonly createTableIfMissing: boolean
  readonly disableTouch: boolean
  readonly touchInterval: number
  readonly pruneSessionInterval: number | false
  readonly pruneSessionRandomizedInterval: (milliseconds: number) => number
  readonly errorLog: (message: string, error: unknown) => void
  readonly serializer: Serializer
  readonly timeoutMs: number
  readonly max: number
  readonly isolate: boolean
  readonly onConflict: NonNullable<Options['onConflict']>
}

const ONE_DAY = 86_400

// setTimeout turns a longer delay into 1 ms, which would make the prune timer a busy loop.
const LONGEST_INTERVAL = 2_147_483_647 / 1000 / 1.5

// Called late, so that a console.error replaced after start is the one that is used.
const logToConsole = (message: string, error: unknown): void =>
  error === undefined ? console.error(message) : console.error(message, error)

const json: Serializer = {
  stringify: (session) => JSON.stringify(session),
  parse(text) {
    const value = JSON.parse(text)
    // A row whose JSON was encoded twice: connect-pg-simple reads it as a session, so do we.
    return typeof value === 'string' ? JSON.parse(value) : value
  },
}

/** The ways to a database. */
const WAYS = ['postgres', 'conString', 'conObject']

const ON_CONFLICT = ['overwrite', 'merge', 'error']

type Rule = readonly [rule: string, holds: (value: any) => boolean]

const isFunction = (value: unknown): boolean => typeof value === 'function'
const isSeconds = (value: unknown): boolean => Number.isFinite(value) && (value as number) >= 0
const boolean: Rule = ['true or false', (value) => typeof value === 'boolean']
const name: Rule = [
  'a non-empty string without NUL',
  (value) => typeof value === 'string' && value !== '' && !value.includes('\0'),
]

const RULES: Readonly<Record<keyof Options, Rule>> = {
  postgres: ['a postgres.js instance', isFunction],
  conString: [
    'a non-empty string, or left out for DATABASE_URL and PG*',
    (value) => typeof value === 'string' && value !== '',
  ],
  conObject: ['an object', (value) => typeof value === 'object' && value !== null && !Array.isArray(value)],
  tableName: name,
  schemaName: name,
  ttl: ['a number of seconds of at least 0, or a function', (value) => isSeconds(value) || isFunction(value)],
  createTableIfMissing: boolean,
  disableTouch: boolean,
  touchInterval: ['a number of seconds of at least 0', isSeconds],
  pruneSessionInterval: [
    `a number of seconds above 0 and up to ${Math.floor(LONGEST_INTERVAL)}, or false for never`,
    (value) => value === false || (value > 0 && value <= LONGEST_INTERVAL && typeof value === 'number'),
  ],
  pruneSessionRandomizedInterval: [
    'false, or a function from milliseconds to milliseconds',
    (value) => value === false || isFunction(value),
  ],
  errorLog: ['a function', isFunction],
  serializer: [
    'an object with the functions `stringify` and `parse`',
    (value) => isFunction(value?.stringify) && isFunction(value?.parse),
  ],
  timeout: [
    'a number of seconds above 0 and up to 2147483',
    (value) => typeof value === 'number' && value > 0 && value <= 2_147_483,
  ],
  max: [
    'a whole number from 1 to 10000',
    (value) => Number.isInteger(value) && value >= 1 && value <= 10_000,
  ],
  isolate: boolean,
  onConflict: ["'overwrite', 'merge' or 'error'", (value) => ON_CONFLICT.includes(value)],
}

const REPLACED: Readonly<Record<string, string>> = {
  pool: 'a postgres.js instance as `postgres`, or the settings of that pool, `pool.options`, as `conObject`',
  pgPromise: 'a postgres.js instance as `postgres`, or the connection settings as `conString` or `conObject`',
}

/**
 * Checks and completes what the constructor was given.
 * @throws TypeError that names the option, the rule, the value and its type
 */
export function parseOptions(options: Options = {}): Settings {
  if (typeof options !== 'object' || options === null) {
    throw new TypeError(`Expected the options to be an object, got ${shown(options)}`)
  }
  for (const [key, value] of Object.entries(options)) {
    if (Object.hasOwn(REPLACED, key)) {
      throw new TypeError(`\`${key}\` is not an option of this store: pass ${REPLACED[key]}`)
    }
    if (!Object.hasOwn(RULES, key)) {
      throw new TypeError(`Unknown option \`${key}\`, did you mean \`${nearest(key, Object.keys(RULES))}\`?`)
    }
    // An import that went wrong, or a variable that is not set, must not end in another database.
    if (value === undefined && !WAYS.includes(key)) continue
    check(key as keyof Options, value)
  }
  if (options.isolate === false && options.postgres === undefined) {
    throw new TypeError('Expected `postgres` to be given with `isolate: false`, got undefined')
  }
  return {
    postgres: options.postgres,
    conString: options.conString,
    conObject: options.conObject,
    tableName: options.tableName ?? 'session',
    schemaName: options.schemaName,
    ttl: options.ttl ?? ONE_DAY,
    createTableIfMissing: options.createTableIfMissing ?? false,
    disableTouch: options.disableTouch ?? false,
    touchInterval: options.touchInterval ?? 0,
    pruneSessionInterval: options.pruneSessionInterval ?? 60,
    pruneSessionRandomizedInterval: randomizer(options.pruneSessionRandomizedInterval),
    errorLog: reporter(options.errorLog ?? logToConsole),
    serializer: options.serializer ?? json,
    timeoutMs: (options.timeout ?? 10) * 1000,
    max: options.max ?? poolSize(options) ?? 4,
    isolate: options.isolate ?? true,
    onConflict: options.onConflict ?? 'overwrite',
  }
}

function randomizer(option: Options['pruneSessionRandomizedInterval']): (milliseconds: number) => number {
  if (option === false) return (milliseconds) => milliseconds
  // Spread, so that processes started together do not all prune together.
  return option ?? ((milliseconds) => milliseconds * (0.5 + Math.random()))
}

/** node-postgres has the size of the pool in the connection object, also as the text of a number. */
function poolSize({ postgres, conObject }: Options): number | undefined {
  const given = postgres === undefined ? (conObject?.['max'] ?? conObject?.['poolSize']) : undefined
  if (given === undefined || given === null || given === '') return undefined
  const max = typeof given === 'string' ? Number(given) : given
  check('max', max)
  return max
}

function check(key: keyof Options, value: unknown): void {
  const [rule, holds] = RULES[key]
  if (!holds(value)) throw new TypeError(`Expected \`${key}\` to be ${rule}, got ${shown(value, key)}`)
}

/** The value and its type; not the text of what may be a connection string, misplaced or not, which holds a password. */
function shown(value: unknown, key?: keyof Options): string {
  const type = Array.isArray(value) ? 'array' : typeof value
  const secret =
    key === 'postgres' || key === 'conString' || key === 'conObject' || /:\/\/|@/.test(String(value))
  if (
    type === 'object' ||
    type === 'array' ||
    type === 'function' ||
    (secret && type === 'string' && value !== '')
  ) {
    return value === null ? '`null` (object)' : `a value of type ${type}`
  }
  const text = String(value)
  return `\`${text.length > 60 ? `${text.slice(0, 60)}…` : text}\` (${type})`
}
