// What a save becomes where `onConflict` compares: its first operation, and the one that has to follow each
// answer. Must not know how an operation is sent.

import { conflict } from './errors.ts'
import { merge } from './merge.ts'
import type { Operation, Replace } from './operations.ts'
import type { Settings } from './options.ts'
import type { Columns } from './query.ts'
import { encode, type Loaded, parse } from './session.ts'

// No row holds this text, as it is no JSON: the first answer then tells what the row does hold.
const UNKNOWN = ' '

const never = () => false

/** @param mayBeMissing whether the row can be missing without a logout; asked when it was not found */
export function replaceOf(
  loaded: Loaded,
  save: Pick<Replace, 'sess' | 'expire' | 'floor'>,
  mayBeMissing: () => boolean,
): Replace {
  const { texts } = loaded
  return {
    ...save,
    verb: !texts && mayBeMissing() ? 'insert' : 'replace',
    was: texts && texts.base === texts.row ? texts.row : UNKNOWN,
    mine: save.sess,
    lastKnown: () => loaded.texts,
    mayBeMissing,
  }
}

/** The text of the row that a save has just stored. Undefined if a destroy took its place. */
export function storedText(answer: Columns | undefined): string | undefined {
  return answer && answer.length > 1 ? (answer.at(-1) as string) : undefined
}

/** What has to follow an answer before the save is done, if anything. */
export function followUp(
  op: Replace,
  answer: Columns | undefined,
  settings: Pick<Settings, 'onConflict' | 'serializer'>,
): Promise<Operation> | undefined {
  // A row that was seen and is missing later was destroyed.
  const seen: Replace = { ...op, verb: 'replace', mayBeMissing: never }
  if (op.verb === 'insert') {
    if (answer) return undefined
    const { mine: sess, expire, floor } = op
    // A new session is stored whatever there is.
    return Promise.resolve(op.lastKnown() ? seen : { verb: 'upsert', sess, expire, floor })
  }
  if (!answer) return op.mayBeMissing() ? Promise.resolve({ ...op, verb: 'insert' }) : undefined
  return answer[1] === 'true' ? undefined : resolve(seen, answer[2] as string, settings)
}

/** @param row what it holds, which is not what was expected */
async function resolve(
  op: Replace,
  row: string,
  { onConflict, serializer }: Pick<Settings, 'onConflict' | 'serializer'>,
): Promise<Operation> {
  // Asked this late because an earlier save of the same request may have ended meanwhile; it is no conflict.
  const known = op.lastKnown()
  const merges = onConflict === 'merge' && known !== undefined
  if (!known || (known.row === row && (!merges || known.base === row))) {
    return { ...op, sess: op.mine, was: row }
  }
  if (!merges) throw conflict()
  // What this request changed, applied to what the row holds.
  const [base, mine, theirs] = await Promise.all(
    [known.base, op.mine, row].map((text) => parse(text, serializer)),
  )
  return { ...op, sess: await encode(merge(base!, mine!, theirs!), serializer), was: row }
}
