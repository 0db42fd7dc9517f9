// The servers that the stores need: an embedded PostgreSQL with its default durability, and Redis if it is
// installed.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import postgres from 'postgres'
import { startPostgres } from '../../server/postgres.js'
import { startRedis } from './redis.js'

/**
 * @typedef Servers
 * @property {{ postgres: string, redis?: string, redisAlways?: string }} at URLs
 * @property {import('postgres').Sql} sql
 * @property {Record<string, number | undefined>} pids
 * @property {Record<string, string>} directories of the Redis servers
 * @property {Record<string, string>} versions
 * @property {() => Promise<void>} stop
 */

/** @returns {Promise<Servers>} */
export async function startServers() {
  const server = await startPostgres({
    flags: [
      // The default of 128 MB would make of a million rows a measurement of the operating system's cache.
      ...['-c', 'shared_buffers=1GB'],
      // For the largest pools in several processes. The default is 100.
      ...['-c', 'max_connections=1000'],
    ],
  })
  const sql = postgres(server.url, { max: 1, onnotice() {}, connection: { application_name: 'bench' } })
  const [{ version, directory }] = await sql`
    select current_setting('server_version') as version, current_setting('data_directory') as directory`
  // With DATABASE_URL the server can be elsewhere: then its CPU time is not known.
  const pid = process.env.DATABASE_URL
    ? undefined
    : Number(readFileSync(join(directory, 'postmaster.pid'), 'utf8').split('\n')[0])
  const table = readFileSync(new URL('../../table.sql', import.meta.url), 'utf8')
  await sql.unsafe(table.replace('create table', 'drop table if exists session; create table'))
  await sql`drop table if exists knex_session`
  const redis = await startRedis()
  const ofRedis = (field) =>
    Object.fromEntries(Object.entries(redis.servers).map(([name, each]) => [name, each[field]]))
  return {
    at: { postgres: server.url, ...ofRedis('url') },
    sql,
    versions: { PostgreSQL: version, Redis: redis.version ?? 'not measured' },
    pids: { postgres: pid, ...ofRedis('pid') },
    directories: ofRedis('directory'),
    async stop() {
      await Promise.all(Object.values(redis.servers).map((each) => each.stop()))
      await sql.end()
      await server.stop()
    },
  }
}
