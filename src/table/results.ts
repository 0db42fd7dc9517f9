// Turns a batch of operations into the parameters of its statement, and the statement's rows into answers.
// Promises that a row which was not asked for is given to nobody. Must not know how a statement is sent.

import type { Columns, TimeLeft } from '../connection/query.ts'
import { mismatch } from '../errors.ts'
import type { Operation } from './operations.ts'
import { HELD, type ParameterName, type Statement } from './sql.ts'

// How long a statement waits for each lock. Other stores hold a row lock only for the time of one statement.
const LOCK_WAIT_MS = 20
// One job that stands in line behind others.
const PATIENT_LOCK_WAIT_MS = 250
// Where locked rows are skipped, what is left to wait for is a row that is being inserted, or another table.
const SKIPPING_LOCK_WAIT_MS = 2

/** Operations of one verb on distinct sids. */
export interface Operations {
  readonly keys: readonly string[]
  readonly ops: readonly Operation[]
  /** Whether to skip rows that somebody else has locked. */
  readonly passesOverHeld: boolean
  /** Whether to wait for locks longer than usual. */
  readonly isPatient: boolean
}

/** What comes back for one sid: the columns of its row, undefined if it has no row that is alive. */
export type Answer = Columns | undefined

/** Which property of each operation is in which list of parameters. */
const LISTS = { texts: 'sess', was: 'was', expiries: 'expire', aliveAts: 'aliveAt' } as const
type Values = Partial<Record<(typeof LISTS)[keyof typeof LISTS], string | number>>

/**
 * The parameters in the order in which the statement has them.
 * @param now in seconds since 1970
 * @param time that is left until the store gives up the batch; the server has to give up first
 */
export function parametersOf(
  { parameters }: Statement,
  { keys, ops, passesOverHeld, isPatient }: Operations,
  now: number,
  time: TimeLeft,
): string[] {
  const values = (name: ParameterName): readonly (string | number)[] | undefined => {
    if (name === 'sids') return keys
    const property = LISTS[name as keyof typeof LISTS]
    return property && ops.map((op) => (op as Values)[property] ?? '')
  }
  const lists = parameters.map(values)
  const lockWaitMs = isPatient ? PATIENT_LOCK_WAIT_MS : passesOverHeld ? SKIPPING_LOCK_WAIT_MS : LOCK_WAIT_MS
  const separator = separatorOf(lists.flatMap((list) => list ?? []))
  const single: Partial<Record<ParameterName, string>> = {
    separator,
    now: String(now),
    latest: time.latest,
    lockWaitMs: milliseconds(Math.min(lockWaitMs, time.leftMs)),
  }
  return parameters.map((name, i) => lists[i]?.join(separator) ?? (single[name] as string))
}

/**
 * A character that is in none of the texts. JSON contains no control characters, so it is nearly always the
 * first one.
 */
function separatorOf(texts: readonly (string | number)[]): string {
  for (let code = 1; ; code++) {
    const separator = String.fromCharCode(code)
    if (!texts.some((text) => typeof text === 'string' && text.includes(separator))) return separator
  }
}

/**
 * A timeout for the server: a little shorter than ours, for the way there and back. Never 0, which would mean
 * no limit.
 */
export function milliseconds(leftMs: number): string {
  return String(Math.max(1, Math.floor(leftMs * 0.95)))
}

/**
 * A session's row; `expire` is in seconds since 1970. It stays the array that came from the driver, because
 * V8 learns to allocate objects that live as long as a batch in the old space, where each would keep the
 * session's text alive until the next full garbage collection (seen on Node 20.20).
 */
export type Row = readonly [sid: string, sess: string | null, expire: string]

/** Whether the row was skipped because somebody else has locked it. */
export function isHeld(answer: Answer): boolean {
  return answer?.[1] === HELD
}

/**
 * The answers in the order of the keys.
 * @throws StoreError STORE_MISMATCH if a row was not asked for, or came twice
 */
export function answersOf({ keys, ops }: Operations, rows: readonly Columns[]): Answer[] {
  const answers = new Map<string, Answer>(keys.map((sid) => [sid, undefined]))
  const hasSession = ops[0]?.verb === 'get' || ops[0]?.verb === 'replace'
  for (const columns of rows) {
    const [sid] = columns
    // A row that comes twice may have taken the place of another one, whose user would be logged out.
    if (typeof sid !== 'string' || !answers.has(sid) || answers.get(sid)) throw mismatch()
    answers.set(sid, hasSession ? rowOf(columns) : columns)
  }
  return [...answers.values()]
}

/** @throws StoreError STORE_MISMATCH if these are not the columns of a session's row */
export function rowOf(columns: Columns): Row {
  // Only the text can be null, in a row that no session store has written.
  if (columns.length !== 3 || columns[0] === null || columns[2] === null) throw mismatch()
  return columns as Row
}
