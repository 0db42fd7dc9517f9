// The database of the demo: a schema of its own with two tables as table.sql makes them, in the server of
// DATABASE_URL or in one that it starts. Promises that nothing of it is left after close(). Must not know
// what the tables are for.

import connectPostgresSimple from 'connect-postgres-simple'
import session from 'express-session'
import postgres from 'postgres'
import { startPostgres } from '../server/postgres.js'

const PostgresStore = connectPostgresSimple(session)

/** One for each demo, as several may run in one database. */
const schema = `connect_postgres_simple_demo_${process.pid}`

/**
 * @typedef Database
 * @property {string} url
 * @property {string} schema
 * @property {postgres.Sql} sql for raw SQL; finds the tables without their schema
 * @property {boolean} isOwn whether the server is the demo's own
 * @property {(names: string[]) => Promise<void>} restart the server; where it is somebody else's, only the
 *   connections that have one of these names are ended
 * @property {() => Promise<void>} close
 */

/** @returns {Promise<Database>} */
export async function openDatabase() {
  const server = await startPostgres()
  const isOwn = !process.env['DATABASE_URL']
  const sql = postgres(server.url, {
    max: 4,
    onnotice() {},
    connection: { application_name: 'demo', search_path: schema },
    // After a restart it is soon there again.
    backoff: () => 0.1,
  })
  const close = async () => {
    if (!isOwn) await sql.unsafe(`drop schema if exists ${schema} cascade`)
    // Also its connection that listens.
    await sql.end({ timeout: 1 })
    await server.stop()
  }
  try {
    await sql.unsafe(`drop schema if exists ${schema} cascade; create schema ${schema}`)
    for (const tableName of ['session', 'load']) {
      const store = new PostgresStore({ conString: server.url, schemaName: schema, tableName })
      await store.createTable().finally(() => store.close())
    }
  } catch (error) {
    await close().catch(() => {})
    throw error
  }
  return {
    url: server.url,
    schema,
    sql,
    isOwn,
    close,
    async restart(names) {
      if (!isOwn)
        return void (await sql`
          select pg_terminate_backend(pid) from pg_stat_activity where application_name = any(${names})`)
      await server.down('SIGINT')
      await server.up()
    },
  }
}
