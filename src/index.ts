// The door of the package: takes express-session, returns the store's class. Must not know anything else.

import type { Store } from 'express-session'
import type { PostgresStoreClass } from './store/contract.ts'
import { storeClass } from './store/store.ts'

export type { DestroyEvent, ExpireEvent } from './events.ts'
export type { ConObject, Options, Serializer } from './options.ts'
export type { Entry } from './session/entries.ts'
export type { PostgresStore, PostgresStoreClass } from './store/contract.ts'
export type { Health } from './store/health.ts'
export type { Callback } from './store/outcome.ts'
export type { Stats } from './store/stats.ts'

interface WithStore {
  Store: abstract new (...options: any[]) => any
}

/**
 * Makes the class of the store for this copy of express-session.
 * @example
 * const PostgresStore = connectPostgresSimple(session)
 * const store = new PostgresStore({ postgres: sql })
 * app.use(session({ store, secret, resave: false, saveUninitialized: false }))
 * @param session what express-session exports, or another object with a `Store` class, or one with such an
 *   object as `session`
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
