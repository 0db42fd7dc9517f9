// Every error of the store is made or cleaned here: each carries a `code`, none carries a sid, session data, SQL
// parameters or a credential, in any property. Must not know what was being done when it happened.

/** An error of the store; `code` is one of ours (`STORE_…`), the server's SQLSTATE, or that of the network or driver. */
export class StoreError extends Error {
  override readonly name = 'StoreError'
  readonly code: string

  constructor(code: string, message: string) {
    super(message)
    this.code = code
  }
}

/**
 * Of the way to the server. It passes through the driver, which hangs the statement and its parameters on its errors, so
 * `withoutData` makes another of it.
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

/** In words, to be put behind others. Without what stands before an @: that can be the rest of a password in a bad URL. */
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
  ) as Partial<NodeJS.ErrnoException> & {
    severity_local?: string
    severity?: string
  }
  if (error instanceof StoreError || error instanceof WayError)
    return new StoreError(error.code, message + at(place))
  // Only what the server sent has one.
  if (severity_local !== undefined) {
    const state = String(code)
    const hint = state === '42P01' ? ' (run table.sql, or pass `createTableIfMissing: true`)' : ''
    const text = CLASSES_WITHOUT_DATA.test(state) ? `${message}${hint}` : 'PostgreSQL refused the statement'
    return new StoreError(state, `${text} [SQLSTATE ${state}]${severity === 'ERROR' ? '' : at(place)}`)
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

/** @param reason of it only what tells what failed: its message can hold a secret */
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

export function closed(): StoreError {
  return new StoreError('STORE_CLOSED', 'The store is closed: no operation can be started after close()')
}
