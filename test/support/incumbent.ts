// connect-pg-simple on pg, on the same database: who the store replaces, and works beside.

import connectPgSimple from 'connect-pg-simple'
import session, { type SessionData } from 'express-session'
import pg from 'pg'

const Incumbent = connectPgSimple(session)

/** Its verbs as promises, and the store itself for an app. */
export interface Neighbour {
  readonly store: session.Store
  get(sid: string): Promise<any>
  set(sid: string, session: SessionData): Promise<void>
  touch(sid: string, session: SessionData): Promise<void>
  destroy(sid: string): Promise<void>
  prune(): Promise<void>
  close(): Promise<void>
}

export function incumbent(url: string, options: object = {}): Neighbour {
  const pool = new pg.Pool({ connectionString: url, max: 2 })
  // The end of a database ends idle connections, of which a test that failed leaves some.
  pool.on('error', () => {})
  const store = new Incumbent({ pool, pruneSessionInterval: false, ...options })
  const promised =
    (verb: 'get' | 'set' | 'touch' | 'destroy' | 'pruneSessions') =>
    (...values: unknown[]) =>
      new Promise<any>((resolve, reject) =>
        (store as any)[verb](...values, (error: unknown, result: unknown) =>
          error ? reject(error) : resolve(result),
        ),
      )
  return {
    store: store as unknown as session.Store,
    get: promised('get'),
    set: promised('set'),
    touch: promised('touch'),
    destroy: promised('destroy'),
    prune: promised('pruneSessions'),
    async close() {
      await store.close()
      await pool.end()
    },
  }
}
