// Who takes part, by whole names. Knows how a subject is called, which server it needs and with what
// options it is opened, and nothing of how that is done.

import { readFileSync } from 'node:fs'
import { BACK } from '../load/workloads.js'
import { PIPELINED_CLIENTS } from './open.js'

/**
 * @typedef Subject
 * @property {string} name
 * @property {string} kind a key of `open`
 * @property {object} options for it
 * @property {'postgres' | 'redis' | 'redisAlways'} [server]
 */

/** pg's default, and so that of most installations of connect-pg-simple. */
const DEFAULT_POOL = 10
/** Each of the store's touches is written, as each of every rival is. */
const EVERY_TOUCH = { touchInterval: 0 }

export const OURS = 'connect-postgres-simple'
export const OURS_EVERY_TOUCH = `${OURS}, touchInterval 0`
export const PG_SIMPLE = poolName(DEFAULT_POOL)

/** @returns {Subject} */
const onPostgres = (name, kind, options = {}) => ({ name, kind, options, server: 'postgres' })

/** The store with its defaults. */
export const ours = () => onPostgres(OURS, OURS)
export const oursEveryTouch = () => onPostgres(OURS_EVERY_TOUCH, OURS, EVERY_TOUCH)
export const pgSimple = (max = DEFAULT_POOL) => onPostgres(poolName(max), 'connect-pg-simple', { max })
/** @returns {Subject} */
export const memory = () => ({ name: 'MemoryStore', kind: 'MemoryStore', options: {} })

/**
 * The store may spare touches only where users come back within a minute. Elsewhere each is to be written.
 */
export const forOperation = (subject, operation) =>
  subject.kind === OURS && operation !== BACK ? { ...subject, options: EVERY_TOUCH } : subject

/**
 * Those of which the server is there.
 * @param {object} at
 * @param {number} pool the size of connect-pg-simple's pool that is best here
 * @param {'main' | 'all'} which `main`: those that the targets and the charts name
 */
export function rivals(at, pool, which) {
  const main = [
    pgSimple(),
    ...(pool === DEFAULT_POOL ? [] : [pgSimple(pool)]),
    onRedis('redis5', 'redis'),
    onRedis('redis5', 'redisAlways'),
  ]
  const others = [
    onPostgres(`connect-pg-simple, ${PIPELINED_CLIENTS} pipelined clients`, 'connect-pg-simple, pipelined'),
    onPostgres(`postgres.js, a statement a call, pool of ${DEFAULT_POOL}`, 'postgres.js', {
      max: DEFAULT_POOL,
    }),
    onPostgres(`connect-session-knex, pool of ${DEFAULT_POOL}`, 'connect-session-knex', {
      max: DEFAULT_POOL,
    }),
    onRedis('redis', 'redis'),
    onRedis('redis', 'redisAlways'),
  ]
  return [...main, ...(which === 'all' ? others : [])].filter(({ server }) => at[server])
}

/** Whether it is connect-pg-simple with a pool, of whatever size. */
export const isPooled = (name) => name.startsWith('connect-pg-simple, pool of')

function poolName(max) {
  return `connect-pg-simple, pool of ${max}`
}

/** @returns {Subject} */
const onRedis = (client, server) => ({
  name: redisName(client, server),
  kind: 'connect-redis',
  options: { client, server },
  server,
})

export const redisName = (client, server) =>
  `connect-redis, redis ${versionOf(client)}, ${server === 'redis' ? 'no durability' : 'appendfsync always'}`

const PACKAGES = [
  ...['postgres', 'connect-pg-simple', 'pg', 'connect-session-knex', 'knex', 'connect-redis'],
  ...['express', 'express-session', 'autocannon'],
]

/** @returns {Record<string, string>} of what runs beside the servers, by name */
export function versionsHere() {
  return { Node: process.version, ...Object.fromEntries(PACKAGES.map((name) => [name, versionOf(name)])) }
}

/** Of a package of the benchmark. */
function versionOf(name) {
  const file = new URL(`../node_modules/${name}/package.json`, import.meta.url)
  return JSON.parse(readFileSync(file, 'utf8')).version
}
