// The parameters of a batch's statement. Promises that they stand in the order that the statement says, and
// that the server gives a lock up before the store gives up the batch. Must not know how a statement is sent.

import type { TimeLeft } from '../connection/query.ts'
import type { OperationBatch } from './operations.ts'
import type { ParameterName, Statement } from './sql.ts'

// How long a statement waits for each lock. Other stores hold a row lock only for the time of one statement.
const LOCK_WAIT_MS = 20
// One job that stands in line behind others.
const PATIENT_LOCK_WAIT_MS = 250
// Where held rows are skipped, what is left to wait for is a row that is being inserted, or another table.
const SKIPPING_LOCK_WAIT_MS = 2

/** Which property of each operation is in which list of parameters. */
const LISTS = { texts: 'sess', was: 'was', expiries: 'expire', aliveAts: 'aliveAt' } as const
type ListedProperties = Partial<Record<(typeof LISTS)[keyof typeof LISTS], string | number>>

/**
 * The parameters in the order in which the statement has them.
 * @param now in seconds since 1970
 * @param time that is left until the store gives up the batch; the server has to give up first
 */
export function parametersOf(
  { parameters }: Statement,
  { keys, ops, skipsHeld, isPatient }: OperationBatch,
  now: number,
  time: TimeLeft,
): string[] {
  const listOf = (name: ParameterName): readonly (string | number)[] | undefined => {
    if (name === 'sids') return keys
    const property = LISTS[name as keyof typeof LISTS]
    return property && ops.map((op) => (op as ListedProperties)[property] ?? '')
  }
  const lists = parameters.map(listOf)
  const lockWaitMs = isPatient ? PATIENT_LOCK_WAIT_MS : skipsHeld ? SKIPPING_LOCK_WAIT_MS : LOCK_WAIT_MS
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
