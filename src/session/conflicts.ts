// The operations of a save that compares (`onConflict` is `merge` or `error`): the first one, and the one
// that has to follow each answer. Must not know how an operation is sent.
//
//   replace: the row holds the expected text -> stored
//            it holds another text           -> replace that one (`merge`), or STORE_CONFLICT (`error`)
//            there is no row                 -> insert if it may have expired; otherwise it was destroyed
//   insert:  there was no row                -> stored
//            there is one                    -> replace, or for a new session upsert
//
// With `maxLifetime`, and whatever `onConflict` is, a save whose creation may not be that of its row goes the
// same way: see lookups.ts.

import { AsyncResource } from 'node:async_hooks'
import { conflict } from '../errors.ts'
import type { Settings } from '../settings/settings.ts'
import type { Answer } from '../table/answers.ts'
import type { Replaced } from '../table/changes.ts'
import { type Operation, type Replace, UNKNOWN } from '../table/operations.ts'
import { removeCreation } from './creation.ts'
import { isSameSession, type LifetimeSettings, overRow } from './lifetime.ts'
import type { Loaded } from './loaded.ts'
import { merge } from './merge.ts'
import { encode, parse } from './text.ts'

type ConflictSettings = Pick<Settings, 'onConflict'> & LifetimeSettings

const never = () => false

/**
 * The first operation of a save.
 * @param mayBeMissing whether the row can be missing without a logout; called when it was not found
 */
export function replaceOf(
  loaded: Loaded,
  save: Pick<Replace, 'sess' | 'expire' | 'aliveAt' | 'onMerged'>,
  mayBeMissing: () => boolean,
): Replace {
  const { texts } = loaded
  const context = new AsyncResource('connect-postgres-simple')
  return {
    ...save,
    verb: !texts && mayBeMissing() ? 'insert' : 'replace',
    was: texts && texts.base === texts.row ? texts.row : UNKNOWN,
    mine: save.sess,
    lastKnownTexts: () => loaded.texts,
    mayBeMissing,
    inContext: (work) => context.runInAsyncScope(work),
  }
}

/** The text of the row that a save has just stored. Undefined if a destroy was folded over the save. */
export function storedText(answer: Answer): string | undefined {
  return (answer as Replaced | undefined)?.[2]
}

/**
 * The operation that has to follow an answer before the save is complete, if any.
 * @param onConflict is called if somebody else has changed the row
 */
export function followUp(
  op: Replace,
  answer: Answer,
  settings: ConflictSettings,
  onConflict: () => void,
): Promise<Operation> | undefined {
  // The row exists. If it is missing at the next attempt, it was destroyed.
  const ofExisting: Replace = { ...op, verb: 'replace', mayBeMissing: never }
  if (op.verb === 'insert') {
    if (answer) return undefined
    if (settings.maxLifetime !== undefined) return Promise.resolve({ ...op, verb: 'replace', found: true })
    const { mine: sess, expire, aliveAt } = op
    // A new session is stored whatever the row holds.
    return Promise.resolve(op.lastKnownTexts() ? ofExisting : { verb: 'upsert', sess, expire, aliveAt })
  }
  if (!answer) return op.mayBeMissing() ? Promise.resolve(insertAgain(op)) : undefined
  // A row that holds what was expected and still was not replaced is kept as it is by a trigger or a policy.
  const [, isReplaced, stored] = answer as Replaced
  if (isReplaced === 'true' || stored === op.was) return undefined
  return op.inContext(
    () => op.onRow?.(stored) ?? replaceAfterConflict(ofExisting, stored, settings, onConflict),
  )
}

/** After the row was not there. */
function insertAgain(op: Replace): Operation {
  const { sess, expire, aliveAt } = op
  // An insert has found a row, and now there is none. It was destroyed in between, or a policy hides it, or a
  // trigger keeps it from being inserted. Two statements that take turns could go on for ever.
  return op.found ? { verb: 'upsert', sess, expire, aliveAt } : { ...op, verb: 'insert' }
}

/** @param row the text that the row holds, which is not the expected one */
async function replaceAfterConflict(
  op: Replace,
  row: string,
  settings: ConflictSettings,
  onConflict: () => void,
): Promise<Operation> {
  const { onConflict: choice, serializer } = settings
  // Read only now: an earlier save of the same request may have ended meanwhile, which is no conflict.
  const texts = op.lastKnownTexts()
  const merges = choice === 'merge'
  if (!texts || (texts.row === row && (!merges || texts.base === row))) {
    return overRow({ ...op, sess: op.mine }, row, settings)
  }
  // The row can hold what this save has stored, if the answer was lost. A column of type jsonb spells it anew.
  const isOurs = async () =>
    (await isSameSession(texts.row, row, settings)) || (await isSameSession(op.mine, row, settings))
  if (!merges && (await isOurs())) return overRow({ ...op, sess: op.mine }, row, settings)
  if (texts.row !== row) onConflict()
  if (!merges) throw conflict()
  const [base, mine, theirs] = await Promise.all(
    [texts.base, op.mine, row].map((text) => parse(text, serializer)),
  )
  const merged = merge(base!, mine!, theirs!)
  const sess = await encode(merged, serializer)
  for (const session of [mine!, merged]) removeCreation(session)
  // Another request can have given the session more time, as by "remember me".
  return overRow({ ...op, sess, expire: op.onMerged?.({ mine: mine!, merged }) ?? op.expire }, row, settings)
}
