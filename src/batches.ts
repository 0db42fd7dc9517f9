// A batch of operations as the parameters of its statement, and the statement's rows as answers. Promises that a row
// that was not asked for answers nobody. Must not know how a statement is sent.

import { mismatch } from './errors.ts'
import type { Batch } from './lanes.ts'
import type { Operation } from './operations.ts'
import type { Columns, TimeLeft } from './query.ts'

type Values = Partial<Record<'sess' | 'was' | 'expire' | 'floor', string | number>>

// Other stores hold a row's lock for the time of a statement. Who holds one longer keeps a batch, and its lane, only this
// long at a time.
const PATIENCE_MS = 250

/**
 * In the order in which the statement of the batch's verb names them.
 * @param now in seconds since 1970
 * @param time until the batch is given up; by then the server must have given up too
 */
export function parametersOf({ keys, ops }: Batch<Operation>, now: number, time: TimeLeft): string[] {
  const values = (name: keyof Values) => ops.map((op) => (op as Values)[name] ?? '')
  const separator = separatorOf([...keys, ...values('sess'), ...values('was')])
  const sids = keys.join(separator)
  const all = (name: keyof Values) => values(name).join(separator)
  const patience = milliseconds(Math.min(PATIENCE_MS, time.leftMs))
  const verb = ops[0]?.verb
  if (verb === 'get') return [separator, sids, String(now)]
  const begin = [separator, sids, time.latest, patience]
  if (verb === 'destroy') return begin
  // Texts come last: for what follows a large one the driver copies it to a larger buffer.
  if (verb === 'upsert' || verb === 'insert') return [...begin, all('expire'), all('sess')]
  const change = [...begin, all('expire'), all('floor')]
  if (verb === 'touch') return change
  return verb === 'update' ? [...change, all('sess')] : [...change, all('sess'), all('was')]
}

/** A character that none of the texts has. JSON has none of the control characters: mostly it is the first. */
function separatorOf(texts: readonly (string | number)[]): string {
  for (let code = 1; ; code++) {
    const separator = String.fromCharCode(code)
    if (!texts.some((text) => String(text).includes(separator))) return separator
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
export type Row = readonly [sid: string, sess: string, expire: string]

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
  if (columns.length !== 3 || columns.includes(null)) throw mismatch()
  return columns as Row
}
