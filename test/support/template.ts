// Servers that begin with a copy of one that was made before: that takes a tenth of the time. Knows nothing
// of who uses them.

import postgres from 'postgres'
import { startPostgres } from '../../server/postgres.js'

type Server = Awaited<ReturnType<typeof startPostgres>>
export type ServerOptions = Omit<
  NonNullable<Parameters<typeof startPostgres>[0]>,
  'own' | 'inMemory' | 'like'
>

/** Not UTC, with daylight saving, off by half an hour: what is only right in UTC fails. */
export const SERVER_FLAGS = ['-c', 'timezone=America/St_Johns', '-c', 'fsync=off']

/** Where `npm test` tells the processes of its files which data to begin with. */
export const TEMPLATE = 'TEST_POSTGRES_TEMPLATE'

let made: Promise<{ data: string }> | undefined

/** A server that is down. */
async function makeTemplate(): Promise<Server> {
  const server = await startPostgres({ own: true, inMemory: true })
  // To log in takes a fifth less time then, and tests log in thousands of times.
  const sql = postgres(server.url, { max: 1 })
  await sql.unsafe(`set scram_iterations = 1; alter user postgres password 'postgres'`)
  await sql.end()
  await server.down('SIGINT')
  return server
}

/** Once for the process, or for the whole run. */
export function template(): Promise<{ data: string }> {
  const data = process.env[TEMPLATE]
  made ??= data ? Promise.resolve({ data }) : makeTemplate()
  return made
}

/** A server of one's own. */
export async function ownServer({ flags = [], ...options }: ServerOptions = {}): Promise<Server> {
  const like = options.follow ? {} : { like: await template() }
  return startPostgres({ own: true, inMemory: true, flags: [...SERVER_FLAGS, ...flags], ...like, ...options })
}
