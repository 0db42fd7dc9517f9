// Runs one statement through the driver. Promises an answer or an error by the deadline, and that the rows
// are complete. Must not know whose the connection is, nor what a statement means, except for the greeting,
// the first statement on each connection.

import type { Sql } from 'postgres'
import { monotonicMs, soon, startTimer, stopTimer } from '../clock.ts'
import { isRaisedByFunction, mismatch, StoreError, severityOf, timedOut } from '../errors.ts'
import { READ_ONLY, STATEMENT_LATE } from '../sqlstate.ts'

/** Asks whether the server is a standby, and for its clock in seconds since 1970. */
const GREETING = `
  select pg_catalog.pg_is_in_recovery()::text,
    pg_catalog.date_part('epoch', pg_catalog.clock_timestamp())::text`

/** The columns of one row, as text. */
export type Columns = readonly (string | null)[]

/** The time that a statement has left when it is sent. */
export interface TimeLeft {
  readonly leftMs: number
  /** By when it must have taken effect, by the server's clock: in seconds since 1970, as text. */
  readonly latest: string
}

/** Called for each attempt, as the values depend on the time left. */
export type Parameters = (time: TimeLeft) => readonly string[]

/**
 * Whether the server answered this statement with an error. Does not count errors after which another
 * connection can help: the server is no longer the primary, or the store's estimate of its clock is wrong.
 */
export function isStatementError(error: unknown): boolean {
  const { code } = error as { code?: string }
  const isOfTheServer = code === READ_ONLY || code === STATEMENT_LATE
  return severityOf(error) === 'ERROR' && (!isOfTheServer || isRaisedByFunction(error))
}

/**
 * Resolves with the server's clock minus ours, in ms. It is biased low, by the time the answer takes, so that
 * the server's deadline never falls after ours.
 *
 * Refuses a standby. A standby would answer reads, but lags behind the primary: a user who has just logged in
 * would be logged out.
 * @throws StoreError 25006 for a standby, the code with which it also refuses writes
 */
export async function greet(
  sql: Sql<any>,
  until: number,
  onSent?: (ended: Promise<unknown>) => void,
): Promise<number> {
  const [row] = await execute(sql, GREETING, [], until, onSent)
  if (row?.[0] !== 'false')
    throw new StoreError(READ_ONLY, 'The server is a standby: the store works on the primary only')
  const clock = Number(row[1])
  if (!Number.isFinite(clock)) throw mismatch()
  return clock * 1000 - monotonicMs()
}

export function timeLeft(until: number, aheadMs: number): TimeLeft {
  return { leftMs: until - monotonicMs(), latest: String((until + aheadMs) / 1000) }
}

/**
 * Resolves with the rows of a statement. After STORE_TIMEOUT it is still under way: the connection has to be
 * dropped with it, or left alone until it has ended.
 */
export function execute(
  sql: Sql<any>,
  text: string,
  parameters: readonly string[],
  until: number,
  onSent?: (ended: Promise<unknown>) => void,
): Promise<Columns[]> {
  return new Promise<Columns[]>((resolve, reject) => {
    let ended = false
    const expire = () => {
      if (!ended) reject(timedOut())
    }
    // `soon` lets an answer that has already arrived be read first. After something has blocked the event
    // loop, Node runs timers before it reads sockets.
    const timer = startTimer(() => soon(expire), until - monotonicMs())
    const end = sql
      .unsafe(text, [...parameters], { prepare: true })
      .values()
      .then((result) => resolve(rowsOf(result)))
      .catch(reject)
      .finally(() => {
        ended = true
        stopTimer(timer)
      })
    onSent?.(end)
  })
}

/**
 * The types `text` and `varchar`. Every statement of the store returns only these. Other types mean that the
 * rows are another statement's, or that the sids have a type of their own.
 */
const TEXT: readonly unknown[] = [25, 1043]

/** Resolves when the work, which never rejects, has ended. @throws StoreError STORE_TIMEOUT after `until` */
export function within(until: number, work: Promise<unknown>): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const timer = startTimer(() => reject(timedOut()), until - monotonicMs())
    void work.then(resolve).finally(() => stopTimer(timer))
  })
}

/** What the driver resolves with. */
interface Result extends ReadonlyArray<unknown> {
  readonly count?: number
  readonly command?: string | null
  readonly columns?: { readonly type: number }[] | null
}

/**
 * The rows of a result, if it is complete. The driver (3.4.9) can give incomplete ones: after a statement
 * that failed midway the array of the next rows starts with holes, and after a surplus message from the
 * server it resolves before the result has come. To take that for "no rows" would log a user out.
 *
 * The columns are moved out of the driver's arrays into new ones. V8 learns to allocate the driver's arrays
 * in the old space, where each would keep its strings alive until the next full garbage collection (seen on
 * Node 20.20).
 * @throws StoreError STORE_MISMATCH if it is not complete
 */
function rowsOf(result: Result): Columns[] {
  const rows: Columns[] = []
  // `forEach` skips holes.
  result.forEach((row) => {
    rows.push((row as (string | null)[]).splice(0))
  })
  const isWhole = result.command !== null && (!result.columns?.length || rows.length === result.count)
  if (!isWhole || result.columns?.some(({ type }) => !TEXT.includes(type))) throw mismatch()
  return rows
}
