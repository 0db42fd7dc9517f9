// The servers that the subjects need: an embedded PostgreSQL with its default durability, and Redis if it is installed.

import { spawn, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import postgres from 'postgres'
import { freePort, startPostgres } from '../server/postgres.js'

export async function startServers() {
  // The default of 128 MB would make of a million rows a measurement of the operating system's cache.
  const server = await startPostgres({ flags: ['-c', 'shared_buffers=1GB'] })
  const sql = postgres(server.url, { max: 1, onnotice() {} })
  const [{ version }] = await sql`select current_setting('server_version') as version`
  const [{ directory }] = await sql`select current_setting('data_directory') as directory`
  // With DATABASE_URL the server can be elsewhere: then its CPU time is not known.
  const pid = process.env.DATABASE_URL
    ? undefined
    : Number(readFileSync(join(directory, 'postmaster.pid'), 'utf8').split('\n')[0])
  const table = readFileSync(new URL('../table.sql', import.meta.url), 'utf8')
  await sql.unsafe(table.replace('create table', 'drop table if exists session; create table'))
  await sql`drop table if exists knex_session`
  const redis = await startRedis()
  return {
    at: { postgres: server.url, redis: redis?.url },
    sql,
    versions: { PostgreSQL: version, Redis: redis?.version ?? 'not installed' },
    pids: { postgres: pid, redis: redis?.pid },
    async stop() {
      redis?.stop()
      await sql.end()
      await server.stop()
    },
  }
}

async function startRedis() {
  const version = spawnSync('redis-server', ['--version'], { encoding: 'utf8' }).stdout?.match(/v=(\S+)/)?.[1]
  if (!version) return undefined
  // In memory only, as sessions usually are kept there.
  const port = await freePort()
  const child = spawn('redis-server', ['--port', String(port), '--save', '', '--appendonly', 'no'], {
    stdio: 'pipe',
  })
  // For a process that ends without stopping it.
  process.once('exit', () => child.kill())
  await new Promise((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`redis-server ended with ${code}`)))
    child.stdout.on('data', (text) => String(text).includes('Ready to accept') && resolve(undefined))
  })
  return { version, pid: child.pid, url: `redis://127.0.0.1:${port}`, stop: () => child.kill() }
}
