// `npm run demo`: two services of one company on one table, in the middle of moving over. One keeps its sessions by
// connect-pg-simple on pg, the other by connect-postgres-simple on postgres.js. Who logs in at one is logged in at the
// other. Uses DATABASE_URL, or else a PostgreSQL of its own that is gone afterwards.

import connectPgSimple from 'connect-pg-simple'
import connectPostgresSimple from 'connect-postgres-simple'
import session from 'express-session'
import pg from 'pg'
import postgres from 'postgres'
import { startPostgres } from '../server/postgres.js'
import { service } from './service.js'
import { createTable } from './table.js'

// How to undo what has been done, in this order from its end. Known before anything is done, as Ctrl-C can come at once.
let starting
const undo = [async () => (await starting).stop()]
let stopping

function stop(code) {
  stopping ??= (async () => {
    for (const step of undo.reverse()) await step()
  })()
    .catch(() => {})
    .finally(() => process.exit(code))
}
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => stop(0))

try {
  starting = startPostgres()
  const database = await starting
  await createTable(database.url)

  // The service that has not moved yet.
  const pool = new pg.Pool({ connectionString: database.url })
  // pg would end the process when the server ends an idle connection.
  pool.on('error', () => {})
  const PgStore = connectPgSimple(session)
  const before = new PgStore({ pool })
  undo.push(
    () => pool.end(),
    async () => before.close(),
  )

  // The service that has.
  const sql = postgres(database.url)
  const PostgresStore = connectPostgresSimple(session)
  const after = new PostgresStore({ postgres: sql })
  undo.push(
    () => sql.end(),
    () => after.close(),
  )

  const port = Number(process.env.PORT ?? 3000)
  const one = await service({ name: 'connect-pg-simple', store: before, port })
  undo.push(() => one.close())
  const two = await service({
    name: 'connect-postgres-simple',
    store: after,
    port: port && port + 1,
    other: one.url,
  })
  undo.push(() => two.close())
  one.other = two.url

  console.log(`connect-pg-simple        ${one.url}`)
  console.log(`connect-postgres-simple  ${two.url}`)
  console.log('Log in at one, look at the other. Ctrl-C stops everything.')
} catch (error) {
  if (!stopping) console.error(error)
  stop(1)
}
