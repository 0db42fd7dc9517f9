// What a server has counted so far: bytes of log, versions of rows, transactions, connections. Knows
// nothing of who asks it for what.

import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'

/**
 * Of PostgreSQL it waits until processes that ended just now have published what they counted.
 * @param {import('./servers.js').Servers} servers
 * @param {'postgres' | 'redis' | 'redisAlways'} name
 */
export async function counts({ sql, directories }, name) {
  await new Promise((resolve) => setTimeout(resolve, 1500))
  if (name !== 'postgres') return { logBytes: sizeOf(directories[name]) }
  const [row] = await sql`
    select
      (select sum(n_tup_upd + n_tup_del)::float8 from pg_stat_user_tables) as "deadTuples",
      (select xact_commit::float8 from pg_stat_database where datname = current_database()) as transactions`
  return { ...row, logBytes: await logPosition(sql) }
}

/** Bytes of PostgreSQL's log so far. */
export async function logPosition(sql) {
  const [{ position }] = await sql`
    select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::float8 as position`
  return position
}

function sizeOf(directory) {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, { parentPath, name }) => sum + statSync(join(parentPath, name)).size, 0)
}

/**
 * How many are open to a server of this machine, as Linux tells it, less the benchmark's own to PostgreSQL.
 */
export function connectionsTo(url) {
  const { hostname, port, protocol } = new URL(url)
  if (hostname !== '127.0.0.1') return undefined
  const hex = Number(port).toString(16).toUpperCase().padStart(4, '0')
  // After the number: the local address, the remote one, and the state, where 01 is established.
  const established = new RegExp(`^ *\\d+: 0100007F:${hex} \\S+ 01 `)
  try {
    const lines = readFileSync('/proc/net/tcp', 'utf8').split('\n')
    return lines.filter((line) => established.test(line)).length - (protocol === 'postgres:' ? 1 : 0)
  } catch {
    return undefined
  }
}
