// Every SQLSTATE that the store treats specially, and why. Must not know what was being done when one came.
// The classes are those of PostgreSQL's documentation, appendix A.

/** A lock was not granted within `lock_timeout`: somebody else holds it. */
export const LOCK_NOT_AVAILABLE = '55P03'

/** The server is a standby, or was demoted: another connection may lead to the primary. */
export const READ_ONLY = '25006'

/** The table is not there. */
export const UNDEFINED_TABLE = '42P01'

/**
 * The code of a write that has its locks later than the moment it was given. PostgreSQL raises it for `ln(0)` and for nothing
 * else that the store sends, which is how the statements make it.
 */
export const STATEMENT_LATE = '2201E'

/** PgBouncer reports its own troubles, such as no free connection to the server, so: FATAL 08P01. */
export const PROTOCOL_VIOLATION = '08P01'

// The way to the server or its state, not the statement: the same one can succeed a moment later.
const TRANSIENT = new Set([
  // 08 connection lost; 57P shutdown, crash recovery, starting; 53300 too many connections
  ...['08000', '08001', '08003', '08006', '08007', '57P01', '57P02', '57P03', '57P05', '53300'],
  // 40 deadlock, serialization; 26000 prepared statement unknown behind a pooler
  ...['40001', '40P01', '40003', '26000'],
  READ_ONLY,
  STATEMENT_LATE,
])

/** Whether the same statement can succeed a moment later, perhaps on another connection. */
export function isTransient(code: string): boolean {
  return TRANSIENT.has(code)
}

// 08 and 57P the connection, 25 the transaction, 26 a prepared statement, 28 and 3D the login, 3F and 42P01 a schema or
// table that is not there, 42703 a column, 42883 an operator or function, 42601 the text, 0A a feature, 53300 connections,
// 55P03 a lock.
const OF_THE_STATEMENT = /^(08|0A|25|26|28|3D|3F|42P01|42703|42883|42601|53300|55P03|57P)/

/** Whether an error is about the statement as such. Every other one can be about what one member of a batch holds. */
export function isOfTheStatement(code: string): boolean {
  return OF_THE_STATEMENT.test(code)
}

// 0A not supported, 42 not there.
const UNSUPPORTED = /^(0A|42)/

/** Whether the server lacks what a statement uses: a view has no pages, another engine no advisory locks. */
export function isUnsupported(code: string): boolean {
  return UNSUPPORTED.test(code)
}

// 25 a transaction, 26 a prepared statement, 3F a schema, 53 resources, 57 an operator's doing, XX a broken server.
const NOT_OF_A_ROW = /^(0A|25|26|3F|42|53|57|XX)/

/** Whether a delete was refused for one of its rows, which a foreign key or a trigger keeps. */
export function isOfARow(code: string): boolean {
  return !NOT_OF_A_ROW.test(code)
}

// 42P07 a table or index, 23505 an entry of the catalogue, 42710 an object.
const TAKEN = new Set(['42P07', '23505', '42710'])

/** Whether a name is taken: another process has created the table, or another table has an index of that name. */
export function isTaken(code: string): boolean {
  return TAKEN.has(code)
}

// 42883 no such operator, 42804 wrong type.
const OF_SID_TYPE = new Set(['42883', '42804'])

/** Whether it may come of a table whose sids are no text. */
export function isOfSidType(code: string): boolean {
  return OF_SID_TYPE.has(code)
}

/** Whether a table refused the value of a sid: 22 a bad value, 42883 no operator to compare it by. */
export function isRefusedSid(code: string): boolean {
  return /^22|^42883/.test(code)
}

// Classes whose message the server builds from the statement's text and its own state. All values are parameters, so no data
// can be in them; in the others (22 bad value, 23 constraint, P0 raised by a trigger, …) it can.
const WITHOUT_DATA = /^(08|0A|25|26|28|3D|3F|40|42|53|55|57|58)/

/** Whether the server's message can hold no data. */
export function hasNoData(code: string): boolean {
  return WITHOUT_DATA.test(code)
}
