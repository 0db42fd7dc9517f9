// Where the database is, in the words of connect-pg-simple: a connection URL, node-postgres' connection object, the
// PG* variables. Gives postgres.js' options. Must not know what the connection is for.
//
// The meaning is node-postgres' wherever the two drivers differ: `sslmode=require` verifies the certificate, and
// parameters of a URL that are not PostgreSQL's are not sent to the server.

import { nearest } from './nearest.ts'
import type { ConObject } from './options.ts'
import { sslOfMode, sslOfParameters } from './ssl.ts'

/** Options for `postgres()`. What is absent the driver takes from PGHOST, PGPORT, PGUSER, PGPASSWORD, PGDATABASE. */
export interface Address {
  host?: string[]
  port?: number[]
  path?: string
  user?: string
  password?: string | (() => string | Promise<string>)
  database?: string
  ssl?: boolean | object
  connect_timeout?: number
  idle_timeout?: number
  max_lifetime?: number
  keep_alive?: number
  connection: Record<string, unknown>
}

type Keys = Record<string, any>

const words = (...lines: string[]): string[] => lines.flatMap((line) => line.split(' '))

// Sent to the server when a connection starts, under the same name.
const SENT = words(
  'application_name options statement_timeout lock_timeout idle_in_transaction_session_timeout',
)

const KNOWN = words(
  ...SENT,
  'connectionString host port user password database ssl max fallback_application_name',
  'connectionTimeoutMillis idleTimeoutMillis maxLifetimeSeconds keepAlive keepAliveInitialDelayMillis',
)

// node-postgres has them, here they have nothing to act on: results are read as text, the pool is the store's own.
const WITHOUT_EFFECT = words(
  'min maxUses allowExitOnIdle query_timeout client_encoding types binary Client Promise native log',
  'parseInputDatesAsUTC onConnect verify enableChannelBinding sslnegotiation',
)

/**
 * @throws TypeError for a URL or key that cannot be understood; the URL is not quoted, as it holds a password
 */
export function address(
  given: { conString: string | undefined; conObject: ConObject | undefined },
  env: NodeJS.ProcessEnv = process.env,
): Address {
  const object: Keys = given.conObject ?? {}
  for (const key of Object.keys(object)) checkKey(key)
  const url =
    object['connectionString'] ?? (given.conObject ? undefined : (given.conString ?? env['DATABASE_URL']))
  // What the URL says wins over the keys beside it, as in node-postgres.
  return fromKeys({
    port: env['PGPORT'],
    ssl: sslOfMode(env['PGSSLMODE']),
    options: env['PGOPTIONS'],
    fallback_application_name: env['PGAPPNAME'],
    ...object,
    ...(url ? fromUrl(url) : {}),
  })
}

function checkKey(key: string): void {
  if (key === 'stream') {
    throw new TypeError(
      '`conObject.stream` is not supported: pass a postgres.js instance with `socket` as `postgres`',
    )
  }
  if (!KNOWN.includes(key) && !WITHOUT_EFFECT.includes(key)) {
    throw new TypeError(`Unknown key \`${key}\` in \`conObject\`, did you mean \`${nearest(key, KNOWN)}\`?`)
  }
}

function fromKeys(keys: Keys): Address {
  const to: Address = { connection: {} }
  const hosts =
    keys['hosts'] ?? (keys['host'] === undefined ? undefined : [{ host: keys['host'], port: keys['port'] }])
  const port = Number(keys['port'] ?? 5432)
  if (hosts) {
    to.host = hosts.map((at: { host: string }) => at.host)
    to.port = hosts.map((at: { port?: number | string }) => Number(at.port ?? port))
    if (hosts[0].host.startsWith('/')) to.path = `${hosts[0].host}/.s.PGSQL.${to.port?.[0]}`
  } else if (keys['port'] !== undefined) {
    to.port = [port]
  }
  if (keys['user'] !== undefined) to.user = keys['user']
  if (keys['password'] !== undefined) to.password = keys['password']
  if (keys['database'] !== undefined) to.database = keys['database']
  if (keys['ssl'] !== undefined) to.ssl = keys['ssl']
  if (keys['connectionTimeoutMillis'] > 0) to.connect_timeout = keys['connectionTimeoutMillis'] / 1000
  if (keys['idleTimeoutMillis'] > 0) to.idle_timeout = keys['idleTimeoutMillis'] / 1000
  if (keys['maxLifetimeSeconds'] > 0) to.max_lifetime = keys['maxLifetimeSeconds']
  if (keys['keepAliveInitialDelayMillis'] > 0) to.keep_alive = keys['keepAliveInitialDelayMillis'] / 1000
  if (keys['keepAlive'] === false) to.keep_alive = 0
  for (const key of SENT) if (keys[key]) to.connection[key] = keys[key]
  const { fallback_application_name: fallback } = keys
  if (fallback !== undefined) to.connection['application_name'] ??= fallback
  return to
}

/** `postgres://user:password@host:port/database?…`, `socket:/directory?db=…`, or `/directory database`. */
function fromUrl(url: unknown): Keys {
  const text = String(url)
  if (text.startsWith('/')) {
    const [host, database] = text.split(' ')
    return { host, ...(database && { database }) }
  }
  const socket = /^socket:(?:\/\/)?(?:([^:@/]*)(?::([^@/]*))?@)?(\/[^?]*)(?:\?(.*))?$/.exec(text)
  if (socket) {
    const [, user, password, host, query] = socket
    const db = new URLSearchParams(query).get('db')
    return {
      ...part('user', user),
      ...part('password', password),
      host,
      ...(db && { database: db }),
      ...parameters(query),
    }
  }
  const parts = /^postgres(?:ql)?:\/\/(?:([^:@/]*)(?::([^@/]*))?@)?([^/?]*)(?:\/([^?]*))?(?:\?(.*))?$/.exec(
    text,
  )
  if (!parts)
    throw new TypeError(
      'Expected the connection string to be a URL such as postgres://user@host:5432/database',
    )
  const [, user, password, where, database, query] = parts
  return {
    ...part('user', user),
    ...part('password', password),
    // decodeURI, as in node-postgres: a %2F stays as it is.
    ...(database && { database: decoded(database, decodeURI) }),
    ...(where && { hosts: where.split(',').map(hostAndPort) }),
    ...parameters(query),
  }
}

function part(key: string, text: string | undefined): Keys {
  return text ? { [key]: decoded(text) } : {}
}

/** A percent sign that escapes nothing stands for itself, as in node-postgres. */
function decoded(text: string, decode = decodeURIComponent): string {
  try {
    return decode(text.replaceAll(/%(?![0-9a-f]{2})/gi, '%25'))
  } catch {
    throw new TypeError('Expected what the connection string escapes by % to be UTF-8')
  }
}

/** An IPv6 address stands in brackets. */
function hostAndPort(text: string): { host: string; port?: string } {
  const [, six, other, port] = /^(?:\[([^\]]*)\]|([^:]*))(?::(\d+))?$/.exec(text) ?? []
  const host = six ?? decoded(other ?? '')
  if (!host)
    throw new TypeError(
      'Expected a host in the connection string, such as postgres://user@host:5432/database',
    )
  return port === undefined ? { host } : { host, port }
}

function parameters(query: string | undefined): Keys {
  const all: Keys = Object.fromEntries(new URLSearchParams(query))
  const keys: Keys = {}
  for (const key of [...SENT, 'user', 'password', 'database', 'port', 'fallback_application_name']) {
    if (all[key] !== undefined) keys[key] = all[key]
  }
  if (all['host'] !== undefined) Object.assign(keys, { hosts: undefined, host: all['host'] })
  if (all['connect_timeout'] !== undefined)
    keys['connectionTimeoutMillis'] = Number(all['connect_timeout']) * 1000
  const ssl = sslOfParameters(all)
  return ssl === undefined ? keys : { ...keys, ssl }
}
