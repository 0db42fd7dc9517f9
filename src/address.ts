// Where the database is, in the words of connect-pg-simple: a connection URL, node-postgres' connection object, the
// PG* variables. Gives postgres.js' options. Must not know what the connection is for.
//
// The meaning is node-postgres' wherever the two drivers differ: `sslmode=require` verifies the certificate, and
// parameters of a URL that are not PostgreSQL's are not sent to the server.

import { nearest } from './nearest.ts'
import type { ConObject } from './options.ts'
import { sslOf, sslOfEnvironment } from './ssl.ts'
import { fromUrl, IGNORED, type Keys, SENT, words } from './url.ts'

/** Options for `postgres()`. What is absent the driver takes from PGHOST, PGPORT, PGUSER, PGPASSWORD, PGDATABASE. */
export interface Address {
  host?: string[]
  port?: number[]
  path?: string
  user?: string
  password?: string | (() => string | Promise<string>)
  database?: string
  ssl?: boolean | object
  sslnegotiation?: 'direct'
  connect_timeout?: number
  idle_timeout?: number
  max_lifetime?: number
  keep_alive?: number
  connection: Record<string, unknown>
}

const KNOWN = words(
  ...SENT,
  'connectionString host port user password database ssl sslnegotiation connect_timeout max',
  'connectionTimeoutMillis idleTimeoutMillis maxLifetimeSeconds keepAlive keepAliveInitialDelayMillis',
  'fallback_application_name',
)

// node-postgres has them, here they have nothing to act on: results are read as text, the pool is the store's own.
const WITHOUT_EFFECT = words(
  'min maxUses allowExitOnIdle query_timeout client_encoding types binary Client Promise native log poolSize',
  'parseInputDatesAsUTC enableChannelBinding scramMaxIterations pipeline replication',
  ...IGNORED,
)

const UNSUPPORTED: Keys = {
  stream: 'pass a postgres.js instance with `socket` as `postgres`',
  onConnect: 'what it sets for a connection `options` can set too, as in `-c search_path=app`',
  verify: 'the store has no client of node-postgres to give it',
}

/**
 * @throws TypeError for a URL or key that cannot be understood; the URL is not quoted, as it holds a password
 */
export function address(
  given: { conString: string | undefined; conObject: ConObject | undefined },
  env: NodeJS.ProcessEnv = process.env,
): Address {
  const object = given.conObject ? keysOf(given.conObject) : {}
  const url =
    object['connectionString'] ?? (given.conObject ? undefined : (given.conString ?? env['DATABASE_URL']))
  // What the URL says wins over the keys beside it, as in node-postgres.
  const keys: Keys = {
    port: env['PGPORT'],
    ssl: sslOfEnvironment(env),
    options: env['PGOPTIONS'],
    ...object,
    ...(url ? fromUrl(url) : {}),
  }
  keys['application_name'] ||= env['PGAPPNAME'] || keys['fallback_application_name']
  return fromKeys(keys)
}

/** What says nothing, as much of a parsed URL does, is left out: the environment or the default decides. */
function keysOf(object: Keys): Keys {
  const keys: Keys = {}
  for (const key of Object.keys(object)) checkKey(key, object)
  // By name: a pool hides its password from enumeration.
  for (const key of KNOWN) if (object[key] || object[key] === false) keys[key] = object[key]
  if (object['ssl'] !== undefined) keys['ssl'] = sslOf(object['ssl'])
  return keys
}

function checkKey(key: string, object: Keys): void {
  if (Object.hasOwn(UNSUPPORTED, key) && object[key]) {
    throw new TypeError(`\`conObject.${key}\` is not supported: ${UNSUPPORTED[key]}`)
  }
  if (key === 'sslmode' && object[key] && object['ssl'] === undefined) {
    throw new TypeError('`conObject.sslmode` means nothing without a URL: say it by `ssl`')
  }
  // What pg-connection-string made of a URL has no prototype, and all that the URL carries.
  const isOfUrl = Object.getPrototypeOf(object) === null
  if (isOfUrl || Object.hasOwn(UNSUPPORTED, key)) return
  if (!KNOWN.includes(key) && !WITHOUT_EFFECT.includes(key)) {
    throw new TypeError(
      `Unknown key \`${key}\` in \`conObject\`, did you mean \`${nearest(key, KNOWN)}\`? ` +
        'A URL, with any parameters, can be given as `connectionString`',
    )
  }
}

function fromKeys(keys: Keys): Address {
  const to: Address = { connection: {} }
  const hosts =
    keys['hosts'] ?? (keys['host'] === undefined ? undefined : [{ host: keys['host'], port: keys['port'] }])
  const port = Number(keys['port'] || 5432)
  if (hosts) {
    to.host = hosts.map((at: { host: string }) => at.host)
    to.port = hosts.map((at: { port?: number | string }) => Number(at.port || port))
    if (hosts[0].host.startsWith('/')) to.path = `${hosts[0].host}/.s.PGSQL.${to.port?.[0]}`
  } else if (keys['port']) {
    to.port = [port]
  }
  if (to.port?.some((port) => !Number.isInteger(port) || port < 1 || port > 65_535)) {
    throw new TypeError('Expected the port of the server to be a number from 1 to 65535')
  }
  if (keys['user'] !== undefined) to.user = keys['user']
  if (keys['password'] !== undefined) to.password = keys['password']
  if (keys['database'] !== undefined) to.database = keys['database']
  if (keys['ssl'] !== undefined) to.ssl = keys['ssl']
  const { sslnegotiation: start } = keys
  if (start === 'direct' && to.ssl) to.sslnegotiation = start
  else if (start && start !== 'postgres') {
    throw new TypeError('Expected `sslnegotiation` to be postgres, or with `ssl` direct')
  }
  const connectMs = keys['connectionTimeoutMillis'] || keys['connect_timeout'] * 1000
  if (connectMs > 0) to.connect_timeout = connectMs / 1000
  if (keys['idleTimeoutMillis'] > 0) to.idle_timeout = keys['idleTimeoutMillis'] / 1000
  if (keys['maxLifetimeSeconds'] > 0) to.max_lifetime = Number(keys['maxLifetimeSeconds'])
  if (keys['keepAliveInitialDelayMillis'] > 0) to.keep_alive = keys['keepAliveInitialDelayMillis'] / 1000
  if (keys['keepAlive'] === false) to.keep_alive = 0
  for (const key of SENT) {
    // node-postgres reads whole numbers of milliseconds, also from a text that goes on with a unit.
    const value = key.endsWith('timeout') ? Number.parseInt(keys[key], 10) : keys[key]
    if (value) to.connection[key] = value
  }
  return to
}
