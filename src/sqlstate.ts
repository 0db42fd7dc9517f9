// Every SQLSTATE that the store treats specially, and why. Must not know what was being done when one came.
// PostgreSQL's documentation lists them all in appendix A; the first two characters are the class.

/** A lock was not granted within `lock_timeout`, because somebody else holds it. */
export const LOCK_NOT_AVAILABLE = '55P03'

/** The server is a standby or was demoted to one. Another connection may lead to the primary. */
export const READ_ONLY = '25006'

/** The table does not exist. */
export const UNDEFINED_TABLE = '42P01'

/** The server cannot do what was asked for. */
export const FEATURE_NOT_SUPPORTED = '0A000'

/**
 * A write got its locks after its deadline, so it must take no effect; or a read came to a standby. The
 * statements raise this code by `ln(0)`; PostgreSQL raises it for nothing else that the store sends.
 */
export const STATEMENT_LATE = '2201E'

/**
 * PgBouncer reports its own failures with this code and severity FATAL, such as no free server connection.
 */
export const PROTOCOL_VIOLATION = '08P01'

// The cause is the connection or the state of the server, not the statement.
const TRANSIENT = new Set([
  // 08: connection lost. 57P: shutdown, crash recovery, starting up. 53300: too many connections.
  ...['08000', '08001', '08003', '08006', '08007', '57P01', '57P02', '57P03', '57P05', '53300'],
  // 40: serialization failure, deadlock. 26000: a pooler switched to a server without our prepared statement.
  ...['40001', '40P01', '40003', '26000'],
  READ_ONLY,
  STATEMENT_LATE,
])

/** Whether the same statement can succeed a moment later, perhaps on another connection. */
export function isTransient(code: string): boolean {
  return TRANSIENT.has(code)
}

// 08, 57P: connection. 25: transaction. 26: prepared statement. 28, 3D: login. 3F, 42P01: missing schema,
// table. 42703: missing column. 42883: missing operator or function. 42601: syntax. 0A: missing feature.
// 53300: too many connections. 55P03: lock.
const OF_THE_STATEMENT = /^(08|0A|25|26|28|3D|3F|42P01|42703|42883|42601|53300|55P03|57P)/

/**
 * Whether the error concerns the statement as a whole. Any other may come from the data of one batch member.
 */
export function isOfTheStatement(code: string): boolean {
  return OF_THE_STATEMENT.test(code)
}

// 0A: feature not supported. 42: missing object, or access to it denied.
const UNSUPPORTED = /^(0A|42)/

/** Whether the server lacks what a statement uses: a view has no pages, another engine no advisory locks. */
export function isUnsupported(code: string): boolean {
  return UNSUPPORTED.test(code)
}

// 25: transaction. 26: prepared statement. 3F: schema. 53: out of resources. 57: shutdown, but not 57014:
// what a `statement_timeout` cancels may be too many rows at once. XX: internal error of the server. 0A,
// 42: see UNSUPPORTED.
const NOT_OF_A_ROW = /^(0A|25|26|3F|42|53|57(?!014)|XX)/

/** Whether a delete failed because of one of its rows, which a foreign key or a trigger protects. */
export function isOfARow(code: string): boolean {
  return !NOT_OF_A_ROW.test(code)
}

// 42P07: table or index. 42710: other object. 23505: two processes inserted the same row of the system
// catalogue.
const TAKEN = new Set(['42P07', '23505', '42710'])

/** Whether a name is taken: another process created the table, or another table has an index of that name. */
export function isTaken(code: string): boolean {
  return TAKEN.has(code)
}

// 42883: no such operator. 42804: wrong type.
const OF_SID_TYPE = new Set(['42883', '42804'])

/** Whether the column `sid` may have another type than text. */
export function isOfSidType(code: string): boolean {
  return OF_SID_TYPE.has(code)
}

/** Whether a type refused a value. */
export function isInvalidValue(code: string): boolean {
  return code.startsWith('22')
}

/** Whether the type of the column `sid` refused a value, or has no operator to compare it (42883). */
export function isRefusedSid(code: string): boolean {
  return isInvalidValue(code) || code === '42883'
}

// PostgreSQL builds the messages of these classes from the statement's text and its own state. The store
// sends all data as parameters, so none is in them. In other classes it can be: 22 invalid value, 23
// constraint, P0 trigger.
const WITHOUT_DATA = /^(08|0A|25|26|28|3D|3F|40|42|53|55|57|58)/

/** Whether the server's message cannot contain data. */
export function hasNoData(code: string): boolean {
  return WITHOUT_DATA.test(code)
}
