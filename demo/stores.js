// The stores that are shown beside each other, on one table. Must not know what they are used for.

import connectPgSimple from 'connect-pg-simple'
import connectPostgresSimple from 'connect-postgres-simple'
import session from 'express-session'
import pg from 'pg'
import postgres from 'postgres'
import { countQueries, ownStatistics } from './counters.js'

const PgStore = connectPgSimple(session)
const PostgresStore = connectPostgresSimple(session)

/** @typedef {keyof typeof import('./labels.js').LABELS} Kind */

/** The name of a store's connections. Its first word is that of the package; no other app has such a name. */
export function connectionName(/** @type {Kind} */ kind, schema) {
  return `${kind === 'before' ? 'connect-pg-simple' : 'connect-postgres-simple'} ${schema}`
}

/**
 * @param {Kind} kind
 * @param {{ url: string, schema: string, table?: string }} where
 * @returns {{ store: any, counters: () => import('./counters.js').Counters, close: () => Promise<void> }}
 */
export function openStore(kind, { url, schema, table = 'session' }) {
  const application_name = connectionName(kind, schema)
  // Nobody prunes by a timer, so that rows go only when somebody is seen to delete them.
  const options = { schemaName: schema, tableName: table, pruneSessionInterval: /** @type {false} */ (false) }
  if (kind === 'before') {
    const pool = new pg.Pool({ connectionString: url, application_name })
    // pg would end the process when the server ends an idle connection.
    pool.on('error', () => {})
    const store = new PgStore({ pool, ...options })
    return { store, counters: countQueries(store), close: () => pool.end() }
  }
  const sql = postgres(url, { connection: { application_name } })
  const store = new PostgresStore({
    postgres: sql,
    ...options,
    // It would tell the terminal of each restart of PostgreSQL.
    errorLog() {},
    // Every touch is sent, as by connect-pg-simple, so that both do the same and a touch is seen.
    touchInterval: 0,
    userIdPath: ['user'],
    ...(kind === 'merging' && { onConflict: /** @type {'merge'} */ ('merge') }),
  })
  return {
    store,
    counters: ownStatistics(store),
    async close() {
      await store.close()
      await sql.end({ timeout: 1 })
    },
  }
}
