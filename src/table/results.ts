// A batch of operations as the parameters of its statement, and the statement's rows as answers. Promises that a row
// that was not asked for answers nobody. Must not know how a statement is sent.

import type { Columns, TimeLeft } from '../connection/query.ts'
import { mismatch } from '../errors.ts'
import type { Batch } from '../queue/batcher.ts'
import type { Operation } from './operations.ts'
import { HELD, type ParameterName, type Statement } from './sql.ts'

// Other stores hold a row's lock for the time of a statement. Who holds one longer keeps a batch only this long: then it
// goes without that row.
const PATIENCE_MS = 20

/** What of an operation stands in which list. */
const LISTS = { texts: 'sess', was: 'was', expiries: 'expire', aliveAts: 'aliveAt' } as const
type Values = Partial<Record<(typeof LISTS)[keyof typeof LISTS], string | number>>

/**
 * In the order in which the statement has them.
 * @param now in seconds since 1970
 * @param time until the batch is given up; by then the server must have given up too
 */
export function parametersOf(
  { parameters }: Statement,
  { keys, ops }: Pick<Batch<Operation>, 'keys' | 'ops'>,
  now: number,
  time: TimeLeft,
): string[] {
  const values = (name: ParameterName): readonly (string | number)[] | undefined => {
    if (name === 'sids') return keys
    const part = LISTS[name as keyof typeof LISTS]
    return part && ops.map((op) => (op as Values)[part] ?? '')
  }
  const lists = parameters.map(values)
  const separator = separatorOf(lists.flatMap((list) => list ?? []))
  const single: Partial<Record<ParameterName, string>> = {
    separator,
    now: String(now),
    latest: time.latest,
    lockWaitMs: milliseconds(Math.min(PATIENCE_MS, time.leftMs)),
  }
  return parameters.map((name, i) => lists[i]?.join(separator) ?? (single[name] as string))
}

/** A character that none of the texts has. JSON has none of the control characters: mostly it is the first. */
function separatorOf(texts: readonly (string | number)[]): string {
  for (let code = 1; ; code++) {
    const separator = String.fromCharCode(code)
    if (!texts.some((text) => typeof text === 'string' && text.includes(separator))) return separator
  }
}

/** A little less, for the way to the server and back. 0 would mean for ever. */
export function milliseconds(leftMs: number): string {
  return String(Math.max(1, Math.floor(leftMs * 0.95)))
}

/**
 * A row as it came, `expire` in seconds since 1970. Stays the array it came in: an object of ours that lives as long as
 * the batch is one that V8 learns to make in the old space, where it would keep the session's text alive.
 */
export type Row = readonly [sid: string, sess: string | null, expire: string]

/** Whether the row was passed over, as somebody else has locked it. */
export function isHeld(answer: Columns | undefined): boolean {
  return answer?.[1] === HELD
}

/** What came back for each key: undefined where there is no row that is alive. @throws StoreError STORE_MISMATCH */
export function answersOf(
  { keys, ops }: Batch<Operation>,
  rows: readonly Columns[],
): (Columns | undefined)[] {
  const answers = new Map<string, Columns | undefined>(keys.map((sid) => [sid, undefined]))
  const whole = ops[0]?.verb === 'get' || ops[0]?.verb === 'replace'
  for (const columns of rows) {
    const [sid] = columns
    // Twice the same: then one may stand in the place of another, whose user would be logged out.
    if (typeof sid !== 'string' || !answers.has(sid) || answers.get(sid)) throw mismatch()
    answers.set(sid, whole ? rowOf(columns) : columns)
  }
  return [...answers.values()]
}

/** @throws StoreError STORE_MISMATCH if these are not the columns of a session's row */
export function rowOf(columns: Columns): Row {
  // Of the three only the text can be null, in a row that was not written by a store.
  if (columns.length !== 3 || columns[0] === null || columns[2] === null) throw mismatch()
  return columns as Row
}
