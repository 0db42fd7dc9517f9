// Operations that have to see the row before it is known what they do, as only the row says when the session
// was created. Promises that no session is given a later creation than its row has, and that a row without
// one gets it. Must not know how operations are sent.

import { AsyncResource } from 'node:async_hooks'
import { type Operation, type Replace, UNKNOWN } from '../table/operations.ts'
import { creationIn } from './creation.ts'
import { encodeWithCreation, type LifetimeSettings, withinLifetime } from './lifetime.ts'
import { parse } from './text.ts'

type Touch = Extract<Operation, { verb: 'touch' }>

/**
 * A save of a session whose creation may not be that of its row: a new one, a plain object, or one that was
 * loaded before its row said it. Where there is a row, it takes over the row's creation.
 * @param verb the first thing to try
 */
export function lookingSave(
  verb: Replace['verb'],
  save: Pick<Replace, 'sess' | 'expire' | 'aliveAt'>,
  mayBeMissing: () => boolean,
): Replace {
  const context = new AsyncResource('connect-postgres-simple')
  return {
    ...save,
    verb,
    was: UNKNOWN,
    mine: save.sess,
    lastKnownTexts: () => undefined,
    mayBeMissing,
    inContext: (work) => context.runInAsyncScope(work),
  }
}

/**
 * A touch of a session whose creation is not known, or not stored. It stores the creation if the row has
 * none.
 * @param created when the session was first loaded, or the time of the call
 */
export function lookingTouch(touch: Touch, created: number, settings: LifetimeSettings): Replace {
  const { expire, aliveAt } = touch
  const look: Replace = {
    ...lookingSave('replace', { sess: UNKNOWN, expire, aliveAt }, () => false),
    async onRow(row) {
      const session = await parse(row, settings.serializer)
      const stored = creationIn(session)
      const within = withinLifetime(expire, stored ?? created, settings)
      if (stored !== undefined) return { ...touch, expire: within }
      return { ...look, sess: await encodeWithCreation(session, created, settings), was: row, expire: within }
    },
  }
  return look
}
