// Every error of the store is made or cleaned here: each carries a `code`, none carries a sid, session data, SQL
// parameters or a credential, in any property. Must not know what was being done when it happened.

/** An error of the store; `code` is one of ours (`STORE_…`), the server's SQLSTATE, or that of the network or driver. */
export class StoreError extends Error {
  override readonly name = 'StoreError'
  readonly code: string
  /** `ERROR` or worse, where the server said so. */
  readonly severity?: string

  constructor(code: string, message: string, severity?: string) {
    super(message)
    this.code = code
    if (severity !== undefined) this.severity = severity
  }
}

/**
 * An error of the connection. The driver hangs the statement and its parameters on it, so it is never given
 * to the outside: `withoutData` makes another of it.
 */
export class WayError extends Error {
  readonly code: string

  constructor(code: string, message: string) {
    super(message)
    this.code = code
  }
}

/** Where a connection leads to. */
export interface Place {
  readonly path?: string | undefined
  readonly host: string
  readonly port: number
  readonly database: string
}

/** In words. Leaves out what stands before an `@`: in a malformed URL that is part of the password. */
export function at(place: Place | undefined): string {
  if (!place) return ''
  const shown = (text: unknown) => String(text).replace(/^.*@/s, '')
  const { path, host, port, database } = place
  const way = path ? `socket ${path}` : `host ${shown(host)}, port ${port}`
  return ` (${way}, database ${shown(database)})`
}

// Classes whose message the server builds from the statement's text and its own state. All values are parameters,
// so no data can be in them; in the others (22 bad value, 23 constraint, P0 raised by a trigger, …) it can.
const CLASSES_WITHOUT_DATA = /^(08|0A|25|26|28|3D|3F|40|42|53|55|57|58)/

/**
 * The error to give to the outside in place of one from the driver: same `code`, and the message only where it cannot
 * hold data. The driver hangs the statement and its parameters on its errors, so none is passed on, not as `cause` either.
 * @param place is named, unless the statement itself was answered by an error
 */
export function withoutData(error: unknown, place?: Place): StoreError {
  const { code, message, severity_local, severity, syscall, name } = Object(
    error,
  ) as Partial<NodeJS.ErrnoException> & { severity_local?: string; severity?: string }
  if (error instanceof StoreError || error instanceof WayError)
    return new StoreError(error.code, message + at(place))
  // Only what the server sent has one.
  if (severity_local !== undefined) {
    const state = String(code)
    const hint = state === '42P01' ? ' (run table.sql, or pass `createTableIfMissing: true`)' : ''
    const text = CLASSES_WITHOUT_DATA.test(state) ? `${message}${hint}` : 'PostgreSQL refused the statement'
    const whole = `${text} [SQLSTATE ${state}]${severity === 'ERROR' ? '' : at(place)}`
    return new StoreError(state, whole, severity)
  }
  // The socket's file is not there. express-session takes ENOENT of `get` for "no such session": all users would be
  // logged out while the server is away.
  if (code === 'ENOENT')
    return new StoreError('ECONNREFUSED', `Nobody listens at the socket of PostgreSQL${at(place)}`)
  const cause = String(code ?? name ?? 'unknown')
  const what = syscall === undefined ? '' : `${syscall} `
  return new StoreError(cause, `The connection to PostgreSQL failed [${what}${cause}]${at(place)}`)
}

/** @param last the error of the last attempt */
export function timedOut(last?: StoreError): StoreError {
  const why = last ? `; the last attempt failed with ${last.code}: ${last.message}` : ''
  return new StoreError('STORE_TIMEOUT', `PostgreSQL did not answer within the store's \`timeout\`${why}`)
}

/** Why an operation on a row that somebody else holds is not done. */
export function heldUp(): StoreError {
  return new StoreError('55P03', 'Somebody else holds a lock on the row')
}

/** @param reason its name and code are told; its message is not, as it can hold a secret */
export function noPassword(reason: unknown): WayError {
  const { name, code } = Object(reason) as Partial<NodeJS.ErrnoException>
  const words = [name, code].filter((word) => typeof word === 'string' && /^[\w.-]{1,60}$/.test(word))
  const told = words.length > 0 ? `: ${words.join(' ')}` : ''
  return new WayError('STORE_PASSWORD', `The function that gives the password failed${told}`)
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
  const why = code.startsWith('22')
    ? 'PostgreSQL refused a value, perhaps the sid: sids must be of that type (`genid` of express-session makes them)'
    : 'rows cannot be found by values of that type: use varchar or text, as table.sql does'
  const name = type.replaceAll('"', '').replace('pg_catalog.', '')
  return new StoreError(code, `The column "sid" is of type ${name}; ${why} [SQLSTATE ${code}]`, severity)
}

export function kept(): StoreError {
  return new StoreError('STORE_KEPT', 'A trigger, a rule or a policy of the table keeps expired rows')
}

export function closed(): StoreError {
  return new StoreError('STORE_CLOSED', 'The store is closed: no operation can be started after close()')
}
