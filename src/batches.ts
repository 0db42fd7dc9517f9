// A batch of operations as the parameters of its statement, and the statement's rows as answers. Promises that a row
// that was not asked for answers nobody. Must not know how a statement is sent.

import type { Columns } from './client.ts'
import { mismatch } from './errors.ts'
import type { Batch } from './lanes.ts'
import type { Operation } from './operations.ts'
import type { Row } from './session.ts'
import { list } from './statements.ts'

type Values = Partial<Record<'sess' | 'expire' | 'floor', string | number>>

/** In the order that the statement of the batch's verb names them. @param now in seconds since 1970 */
export function parametersOf({ keys, ops }: Batch<Operation>, now: number): string[] {
  const all = (name: keyof Values) => list(ops.map((op) => (op as Values)[name] ?? ''))
  const sids = list(keys)
  const verb = ops[0]?.verb
  if (verb === 'get') return [sids, String(now)]
  if (verb === 'upsert') return [sids, all('sess'), all('expire')]
  if (verb === 'update') return [sids, all('sess'), all('expire'), all('floor')]
  if (verb === 'touch') return [sids, all('expire'), all('floor')]
  return [sids]
}

/** What the table has for each key: undefined where it has no row that is alive. @throws StoreError STORE_MISMATCH */
export function answersOf({ keys, ops }: Batch<Operation>, rows: readonly Columns[]): (Row | undefined)[] {
  const answers = new Map<string, Row | undefined>(keys.map((sid) => [sid, undefined]))
  for (const [sid, sess, expire] of rows) {
    if (typeof sid !== 'string' || !answers.has(sid)) throw mismatch()
    if (ops[0]?.verb !== 'get') continue
    answers.set(sid, rowOf(sess, expire))
  }
  return [...answers.values()]
}

/** @throws StoreError STORE_MISMATCH if these are not the columns of a session's row */
export function rowOf(sess: string | null | undefined, expire: string | null | undefined): Row {
  if (typeof sess !== 'string' || typeof expire !== 'string') throw mismatch()
  return { sess, expire: Number(expire) }
}
