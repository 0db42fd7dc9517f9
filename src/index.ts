// The door: takes express-session, gives the store's class. Must not know more than that.

import type { Store } from 'express-session'
import { type PostgresStoreClass, storeClass } from './store.ts'

export type { ConObject, Options, Serializer } from './options.ts'
export type { Callback } from './outcome.ts'
export type { Entry } from './sessions.ts'
export type { PostgresStore, PostgresStoreClass } from './store.ts'

interface WithStore {
  Store: abstract new (...options: any[]) => any
}

/**
 * The class of the store, made for this copy of express-session.
 * @param session what express-session exports, or anything else that has a `Store` class, or has it under `session`
 * @throws TypeError if there is no such class
 */
export default function connectPostgresSimple(
  session: WithStore | { session: WithStore },
): PostgresStoreClass {
  const { Store } = Object(
    'Store' in Object(session) ? session : (session as { session: WithStore })?.session,
  )
  if (typeof Store !== 'function') {
    throw new TypeError(
      'Expected express-session, or an object with its `Store`: connectPostgresSimple(session)',
    )
  }
  return storeClass(Store as new () => Store)
}
