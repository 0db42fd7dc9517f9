// The class of the store's errors, the cleaning of foreign ones, and a function for each common error.
// Promises that every error made here has a `code`, and that no StoreError holds a sid, session data, SQL
// parameters or a credential in any property. Must not know what was being done when it happened.

import { isNativeError } from 'node:util/types'
import {
  FEATURE_NOT_SUPPORTED,
  hasNoData,
  isInvalidValue,
  LOCK_NOT_AVAILABLE,
  UNDEFINED_TABLE,
} from './sqlstate.ts'

/**
 * An error of the store. `code` is one of ours (`STORE_…`), a SQLSTATE, or a code of the network or the
 * driver.
 */
export class StoreError extends Error {
  override readonly name = 'StoreError'
  readonly code: string
  /** What the server sent, such as `ERROR` or `FATAL`; undefined if the error is not the server's. */
  declare readonly severity?: string
  /** Whether the server says that it came up inside of a function, such as that of a trigger. */
  declare readonly isFromFunction?: boolean

  constructor(code: string, message: string, server: Pick<StoreError, 'severity' | 'isFromFunction'> = {}) {
    super(message)
    this.code = code
    Object.assign(this, server)
  }
}

export const codeOf = (error: unknown): string => (error as StoreError).code

/**
 * Whether the server says that it came up inside of a function, such as that of a trigger, which can raise
 * any code. It says so in the language of `lc_messages`, of which the names of languages to program in are no part.
 * With `log_parameter_max_length_on_error` it says the parameters behind that.
 */
export function isRaisedByFunction(error: unknown): boolean {
  const { where, isFromFunction } = error as { where?: unknown; isFromFunction?: boolean }
  return isFromFunction === true || /\bfunction\b|\bPL\//.test(String(where).split('$1 = ')[0] as string)
}

/**
 * Of a server's error. A pooler says it once, where a server can put the word of another language, which counts
 * for none.
 */
export function severityOf(error: unknown): string | undefined {
  const { severity, severity_local: local } = error as { severity?: string; severity_local?: string }
  return severity ?? ['ERROR', 'FATAL', 'PANIC'].find((word) => word === local)
}

/**
 * An error of the connection, for the driver. The driver attaches the statement and its parameters to errors,
 * so it is never given out: `withoutData` makes a StoreError of it.
 */
export class ConnectionError extends Error {
  readonly code: string

  constructor(code: string, message: string) {
    super(message)
    this.code = code
  }
}

/** The server that a connection leads to. */
export interface Server {
  /** Of a Unix socket. */
  readonly path?: string | undefined
  readonly host: string
  readonly port: number
  readonly database: string
}

/** For a message. Leaves out everything before an `@`: in a malformed URL that is part of the password. */
export function serverInWords(server: Server | undefined): string {
  if (!server) return ''
  const withoutCredentials = (text: unknown) => String(text).replace(/^.*@/s, '')
  const { path, host, port, database } = server
  const address = path ? `socket ${path}` : `host ${withoutCredentials(host)}, port ${port}`
  return ` (${address}, database ${withoutCredentials(database)})`
}

/** For a trace: where a connection leads to, without the database. */
export function addressOf({ path, host, port }: Server): string {
  return path || `${host.replace(/^.*@/s, '')}:${port}`
}

/**
 * The error to give out in place of one from the driver: the same `code`, and the message only if it cannot
 * contain data. postgres.js 3.4.9 attaches the statement and its parameters to its errors, so the original is
 * not passed on, not even as `cause`.
 * @param server is named in the message, unless it answered the statement itself with an error
 */
export function withoutData(error: unknown, server?: Server): StoreError {
  const { code, message, severity_local, syscall, name } = Object(error) as Partial<NodeJS.ErrnoException> & {
    severity_local?: string
  }
  if (error instanceof StoreError || error instanceof ConnectionError)
    return new StoreError(error.code, message + serverInWords(server))
  // Only an error that the server sent has this property.
  if (severity_local !== undefined) {
    const severity = severityOf(error)
    const state = String(code)
    const hint = state === UNDEFINED_TABLE ? ' (run table.sql, or pass `createTableIfMissing: true`)' : ''
    // What a function raises has a message of the user's making.
    const isFromFunction = isRaisedByFunction(error)
    const isSafe = hasNoData(state) && !isFromFunction
    const text = isSafe ? `${message}${hint}` : 'PostgreSQL refused the statement'
    const whole = `${text} [SQLSTATE ${state}]${severity === 'ERROR' ? '' : serverInWords(server)}`
    return new StoreError(state, whole, {
      ...(severity && { severity }),
      ...(isFromFunction && { isFromFunction }),
    })
  }
  // The file of the Unix socket is missing. express-session takes ENOENT from `get` for "no such session",
  // which would log out all users while the server is away.
  if (code === 'ENOENT')
    return new StoreError(
      'ECONNREFUSED',
      `Nobody listens at the socket of PostgreSQL${serverInWords(server)}`,
    )
  const cause = String(code ?? name ?? 'unknown')
  const call = syscall === undefined ? '' : `${syscall} `
  return new StoreError(
    cause,
    `The connection to PostgreSQL failed [${call}${cause}]${serverInWords(server)}`,
  )
}

/** @param last the error of the last attempt */
export function timedOut(last?: StoreError): StoreError {
  // It was given up as well, and says no more.
  if (last?.code === 'STORE_TIMEOUT') return last
  const reason = last ? `; the last attempt failed with ${last.code}: ${last.message}` : ''
  return new StoreError('STORE_TIMEOUT', `PostgreSQL did not answer within the store's \`timeout\`${reason}`)
}

export function serializerTimedOut(): StoreError {
  return new StoreError('STORE_TIMEOUT', "The serializer did not answer within the store's `timeout`")
}

/** Why an operation was not done whose row lock was not granted. */
export function rowLocked(): StoreError {
  return new StoreError(LOCK_NOT_AVAILABLE, 'Somebody else holds a lock on the row')
}

/** @param reason its name and code are given out; its message is not, as it can contain a secret */
export function noPassword(reason: unknown): ConnectionError {
  const { name, code }: Partial<NodeJS.ErrnoException> = isNativeError(reason) ? reason : {}
  const harmless = [name, code].filter((word) => typeof word === 'string' && /^[\w.-]{1,60}$/.test(word))
  const suffix = harmless.length > 0 ? `: ${harmless.join(' ')}` : ''
  return new ConnectionError('STORE_PASSWORD', `The function that gives the password failed${suffix}`)
}

export function conflict(): StoreError {
  return new StoreError(
    'STORE_CONFLICT',
    'The session was changed by another request since this one loaded it',
  )
}

export function busy(): StoreError {
  return new StoreError('STORE_BUSY', 'Too many operations are waiting for PostgreSQL already')
}

export function mismatch(): StoreError {
  return new StoreError(
    'STORE_MISMATCH',
    'The driver gave rows that were not asked for; none of them was used',
  )
}

/** @param type of the column `sid`, as SQL names it */
export function sidRefused({ code, severity }: StoreError, type: string): StoreError {
  const reason = isInvalidValue(code)
    ? 'PostgreSQL refused a value, perhaps the sid: sids must be of that type ' +
      '(`genid` of express-session makes them)'
    : 'rows cannot be found by values of that type: use varchar or text, as table.sql does'
  const name = type.replaceAll('"', '').replace('pg_catalog.', '')
  return new StoreError(code, `The column "sid" is of type ${name}; ${reason} [SQLSTATE ${code}]`, {
    ...(severity && { severity }),
  })
}

export function noUserIndex(): StoreError {
  return new StoreError(
    FEATURE_NOT_SUPPORTED,
    'An index on user ids needs a column "sess" of type json or jsonb, or PostgreSQL 16 or later',
  )
}

export function kept(): StoreError {
  return new StoreError('STORE_KEPT', 'A trigger, a rule or a policy of the table keeps expired rows')
}

export function closed(): StoreError {
  return new StoreError('STORE_CLOSED', 'The store is closed: no operation can be started after close()')
}
