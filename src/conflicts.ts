// What a save becomes when the row is no longer as its request loaded it. Must not know how it is sent.

import { conflict } from './errors.ts'
import { merge } from './merge.ts'
import type { Operation, Replace } from './operations.ts'
import type { Settings } from './options.ts'
import { encode, parse } from './session.ts'

/**
 * For a save that found the row changed.
 * @param row what it holds now
 * @throws StoreError STORE_CONFLICT
 */
export function resolve(
  op: Replace,
  row: string,
  { onConflict, serializer }: Pick<Settings, 'onConflict' | 'serializer'>,
): Promise<Operation> {
  if (onConflict === 'merge') return merged(op, row, serializer)
  // An earlier save of the same request, which this one did not wait for, is no conflict.
  if (op.known() === row) return Promise.resolve({ ...op, was: row })
  throw conflict()
}

/** What this request changed, applied to what the row holds. */
export async function merged(
  op: Replace,
  row: string,
  serializer: Settings['serializer'],
): Promise<Operation> {
  const [base, mine, theirs] = await Promise.all(
    [op.base, op.mine, row].map((text) => parse(text, serializer)),
  )
  return { ...op, sess: await encode(merge(base!, mine!, theirs!), serializer), was: row }
}
