// One statement through the driver: parameters in, rows out, or an error by the deadline. Promises rows that are whole.
// Must not know whose the connection is, nor what the statement means, but for the greeting that each connection begins with.

import type { Sql } from 'postgres'
import { monotonicMs, soon, startTimer, stopTimer } from './clock.ts'
import { mismatch, StoreError, timedOut } from './errors.ts'
import { GREETING, STATEMENT_LATE } from './statements.ts'

/** The columns of one row, as text. */
export type Columns = readonly (string | null)[]

/** What is left for a statement when it is sent. */
export interface TimeLeft {
  readonly leftMs: number
  /** When it must have taken effect, by the clock of the server: in seconds since 1970, as text. */
  readonly latest: string
}

/** Made for each attempt. */
export type Parameters = (time: TimeLeft) => readonly string[]

/** Not an answer of a server that is no longer the primary, or by whose clock time has gone wrong: another connection may do. */
export function isAnswer(error: unknown): boolean {
  const { severity, code } = error as { severity?: string; code?: string }
  return severity === 'ERROR' && code !== '25006' && code !== STATEMENT_LATE
}

/**
 * How far the clock of the server is ahead of ours, in ms. Rather less than it is: what the server then takes for the end
 * of an operation is never after its end here.
 *
 * A standby answers what is only read, and later than the primary has it: a user who has just logged in would be logged out.
 * @throws StoreError 25006, as for a write
 */
export async function greet(sql: Sql<any>, until: number, giveUp: () => void): Promise<number> {
  const [row] = await answer(sql, GREETING, [], until, giveUp)
  if (row?.[0] !== 'false')
    throw new StoreError('25006', 'The server is a standby: the store works on the primary only')
  const clock = Number(row[1])
  if (!Number.isFinite(clock)) throw mismatch()
  return clock * 1000 - monotonicMs()
}

export function timeLeft(until: number, aheadMs: number): TimeLeft {
  return { leftMs: until - monotonicMs(), latest: String((until + aheadMs) / 1000) }
}

/** @param giveUp called when the time is over: what is on its way is not wanted any more */
export function answer(
  sql: Sql<any>,
  text: string,
  parameters: readonly string[],
  until: number,
  giveUp: () => void,
): Promise<Columns[]> {
  return new Promise<Columns[]>((resolve, reject) => {
    let ended = false
    const late = () => {
      if (ended) return
      giveUp()
      reject(timedOut())
    }
    // Not at once: where something else kept the event loop from running, the answer may lie in the socket.
    const timer = startTimer(() => soon(late), until - monotonicMs())
    sql
      .unsafe(text, [...parameters], { prepare: true })
      .values()
      .then((result) => resolve(rowsOf(result)))
      .catch(reject)
      .finally(() => {
        ended = true
        stopTimer(timer)
      })
  })
}

/**
 * `text` and `varchar`: every statement gives these only. Not so the rows of another, or sids of a type of
 * their own.
 */
const TEXT: readonly unknown[] = [25, 1043]

/** What the driver gives as the result of a statement, or of several in one text. */
interface Result extends ReadonlyArray<unknown> {
  readonly count?: number
  readonly command?: string | null
  readonly columns?: { readonly type: number }[] | null
}

/**
 * The rows of a result. After a statement that failed midway the driver puts the next rows behind holes, and after a message
 * too many from the server it gives a result before there is one: "no rows" would be a user logged out.
 *
 * The columns are taken out of the driver's arrays: V8 learns to make those in the old space, where each would keep its
 * strings alive until the next full garbage collection.
 * @throws StoreError STORE_MISMATCH
 */
function rowsOf(result: Result): Columns[] {
  const rows: Columns[] = []
  // Passes over holes.
  result.forEach((row) => {
    rows.push((row as (string | null)[]).splice(0))
  })
  const isWhole = result.command !== null && (!result.columns?.length || rows.length === result.count)
  if (!isWhole || result.columns?.some(({ type }) => !TEXT.includes(type))) throw mismatch()
  return rows
}
