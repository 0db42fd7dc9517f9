// Turns what connect-pg-simple is given to find the database (a URL, node-postgres' connection object, the
// PG* variables) into postgres.js' options. Must not know what the connection is for.
//
// Where the two drivers differ, the meaning is node-postgres': `sslmode=require` verifies the certificate,
// and a parameter of a URL that PostgreSQL does not know is not sent to the server.

import type { ConObject } from '../options.ts'
import { sslOf, sslOfEnvironment } from './ssl.ts'
import { fromUrl, IGNORED, type Keys, SENT, words } from './url.ts'

/**
 * Options for `postgres()`. The driver takes absent ones from PGHOST, PGPORT, PGUSER, PGPASSWORD, PGDATABASE.
 */
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

const SUPPORTED = words(
  ...SENT,
  'connectionString host port user password database ssl sslnegotiation connect_timeout',
  'connectionTimeoutMillis idleTimeoutMillis maxLifetimeSeconds keepAlive keepAliveInitialDelayMillis',
  'fallback_application_name',
)

/** Keys of node-postgres' pool that say how many connections there are. The settings read them. */
const POOL_SIZE = ['max', 'poolSize']

// Keys of node-postgres that are accepted and change nothing: the store reads all results as text and has its
// own pool.
const WITHOUT_EFFECT = words(
  'min maxUses allowExitOnIdle query_timeout client_encoding types binary Client Promise native log',
  'parseInputDatesAsUTC enableChannelBinding scramMaxIterations pipeline replication',
  ...IGNORED,
)

/** Keys of node-postgres that are refused, with what to do instead. */
const UNSUPPORTED: Keys = {
  stream: 'pass a postgres.js instance with `socket` as `postgres`',
  onConnect: 'what it sets for a connection `options` can set too, as in `-c search_path=app`',
  verify: 'the store has no client of node-postgres to give it',
}

/**
 * @throws TypeError for a URL or key that cannot be understood; it does not quote the URL, which contains a
 *   password
 */
export function address(
  { conString, conObject }: { conString: string | undefined; conObject: ConObject | undefined },
  env: NodeJS.ProcessEnv = process.env,
): Address {
  const object = conObject ? keysOf(conObject) : {}
  const url = object['connectionString'] ?? (conObject ? undefined : (conString ?? env['DATABASE_URL']))
  // The URL wins over the keys beside it, as in node-postgres.
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

/**
 * The keys that have a value. A parsed URL has many without one, for which the environment or the default
 * decides.
 */
function keysOf(object: Keys): Keys {
  const keys: Keys = {}
  for (const key of Object.keys(object)) checkKey(key, object)
  // Read by name, as node-postgres' pool makes its password non-enumerable.
  for (const key of SUPPORTED) if (object[key] || object[key] === false) keys[key] = object[key]
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
  // An object without a prototype is a URL that pg-connection-string has parsed. It has a key for every
  // parameter of the URL, so its unknown keys are no mistakes.
  const isParsedUrl = Object.getPrototypeOf(object) === null
  if (isParsedUrl || Object.hasOwn(UNSUPPORTED, key)) return
  if (![...SUPPORTED, ...POOL_SIZE, ...WITHOUT_EFFECT].includes(key)) {
    throw new TypeError(
      `Unknown key \`${key}\` in \`conObject\`: the keys are ${[...SUPPORTED, ...POOL_SIZE].join(', ')}. ` +
        'A URL, with any parameters, can be given as `connectionString`',
    )
  }
}

function fromKeys(keys: Keys): Address {
  const options: Address = { connection: {} }
  const hosts = keys['hosts'] ?? (keys['host'] === undefined ? undefined : [{ host: keys['host'] }])
  const port = Number(keys['port'] || 5432)
  if (hosts) {
    options.host = hosts.map((at: { host: string }) => at.host)
    options.port = hosts.map((at: { port?: number | string }) => Number(at.port || port))
    if (hosts[0].host.startsWith('/')) options.path = `${hosts[0].host}/.s.PGSQL.${options.port?.[0]}`
  } else if (keys['port']) {
    options.port = [port]
  }
  if (options.port?.some((port) => !Number.isInteger(port) || port < 1 || port > 65_535)) {
    throw new TypeError('Expected the port of the server to be a number from 1 to 65535')
  }
  if (keys['user'] !== undefined) options.user = keys['user']
  if (keys['password'] !== undefined) options.password = keys['password']
  if (keys['database'] !== undefined) options.database = keys['database']
  if (keys['ssl'] !== undefined) options.ssl = keys['ssl']
  const { sslnegotiation } = keys
  if (sslnegotiation === 'direct' && options.ssl) options.sslnegotiation = sslnegotiation
  else if (sslnegotiation && sslnegotiation !== 'postgres') {
    throw new TypeError('Expected `sslnegotiation` to be postgres, or with `ssl` direct')
  }
  const connectMs = keys['connectionTimeoutMillis'] || keys['connect_timeout'] * 1000
  if (connectMs > 0) options.connect_timeout = connectMs / 1000
  if (keys['idleTimeoutMillis'] > 0) options.idle_timeout = keys['idleTimeoutMillis'] / 1000
  if (keys['maxLifetimeSeconds'] > 0) options.max_lifetime = Number(keys['maxLifetimeSeconds'])
  if (keys['keepAliveInitialDelayMillis'] > 0) options.keep_alive = keys['keepAliveInitialDelayMillis'] / 1000
  if (keys['keepAlive'] === false) options.keep_alive = 0
  for (const key of SENT) {
    // Timeouts are read as node-postgres reads them: whole milliseconds, ignoring a unit behind the number.
    const value = key.endsWith('timeout') ? Number.parseInt(keys[key], 10) : keys[key]
    // As text, because the driver (3.4.9) does not send the number 0, which means no limit. node-postgres sends
    // the text '0' as well, but no number.
    if (keys[key] && !Number.isNaN(value)) options.connection[key] = String(value)
  }
  return options
}
