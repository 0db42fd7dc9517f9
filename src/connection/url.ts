// Parses a connection URL, with the meaning it has for node-postgres, into the keys of node-postgres'
// connection object. Promises that no error quotes the URL. Must not know what the keys are used for.

import { sslOfParameters } from './ssl.ts'

export type Keys = Record<string, any>

/** Splits lines of words that are separated by spaces. */
export const words = (...lines: string[]): string[] => lines.flatMap((line) => line.split(' '))

/** Settings that are sent to the server when a connection starts, under the same name. */
export const SENT: readonly string[] = words(
  'application_name options statement_timeout lock_timeout idle_in_transaction_session_timeout',
)

/** Parameters that are read from a URL, beside those about encryption. */
const READ = words(
  ...SENT,
  'user password database port fallback_application_name connect_timeout sslnegotiation',
)

/**
 * Parameters that URLs carry for libpq, poolers and other drivers. node-postgres ignores them, or has turned
 * them into `ssl`. The server knows no settings of these names.
 */
export const IGNORED: readonly string[] = words(
  'channel_binding db dbname encoding gssdelegation gssencmode gsslib hostaddr keepalives keepalives_count',
  'keepalives_idle keepalives_interval krbsrvname load_balance_hosts max_protocol_version',
  'min_protocol_version passfile require_auth requirepeer requiressl scram_client_key scram_server_key',
  'service servicefile ssl_max_protocol_version ssl_min_protocol_version sslcert sslcertmode sslcompression',
  'sslcrl sslcrldir sslkey sslkeylogfile sslmode sslpassword sslrootcert sslsni target_session_attrs',
  'tcp_user_timeout uselibpqcompat',
  'connection_limit endpoint pgbouncer pool_mode pool_timeout prepareThreshold schema socket_timeout',
  'sslaccept sslidentity statement_cache_size supa workaround',
)

/**
 * From `postgres://user:password@host:port/database?…`, `socket:/directory?db=…`, or `/directory database`.
 * @throws TypeError that does not quote the URL, as a URL contains a password
 */
export function fromUrl(url: unknown): Keys {
  const text = String(url)
  if (text.startsWith('/')) {
    const [host, database] = text.split(' ')
    return { host, ...(database && { database }) }
  }
  // The last `@` before the path begins the host, as for node-postgres: a password may hold others.
  const socket = /^socket:(?:\/\/)?(?:([^:/?]*)(?::([^/?]*))?@)?(\/[^?]*)(?:\?(.*))?$/.exec(text)
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
  const parts = /^postgres(?:ql)?:\/\/(?:([^:/?]*)(?::([^/?]*))?@)?([^@/?]*)(?:\/([^?]*))?(?:\?(.*))?$/.exec(
    text,
  )
  if (!parts)
    throw new TypeError(
      'Expected the connection string to be a URL such as postgres://user@host:5432/database',
    )
  const [, user, password, hosts, database, query] = parts
  return {
    ...part('user', user),
    ...part('password', password),
    // decodeURI, as in node-postgres: it leaves a %2F as it is.
    ...(database && { database: decoded(database, decodeURI) }),
    ...(hosts && { hosts: hosts.split(',').map(hostAndPort) }),
    ...parameters(query),
  }
}

function part(key: string, text: string | undefined): Keys {
  return text ? { [key]: decoded(text) } : {}
}

/**
 * Decodes what is escaped by `%`. A percent sign that escapes nothing stands for itself, as in node-postgres.
 */
function decoded(text: string, decode = decodeURIComponent): string {
  try {
    return decode(text.replaceAll(/%(?![0-9a-f]{2})/gi, '%25'))
  } catch {
    throw new TypeError('Expected what the connection string escapes by % to be UTF-8')
  }
}

/** An IPv6 address stands in brackets. */
function hostAndPort(text: string): { host: string; port: string | undefined } {
  const [, ipv6, other, port] = /^(?:\[([^\]]*)\]|([^:]*))(?::(\d+))?$/.exec(text) ?? []
  const host = ipv6 ?? decoded(other ?? '')
  if (!host)
    throw new TypeError(
      'Expected a host in the connection string, such as postgres://user@host:5432/database',
    )
  return { host, port }
}

function parameters(query: string | undefined): Keys {
  const all: Keys = Object.fromEntries(new URLSearchParams(query))
  const keys: Keys = {}
  for (const key of READ) if (all[key] !== undefined) keys[key] = all[key]
  if (all['host'] !== undefined) Object.assign(keys, { hosts: undefined, host: all['host'] })
  const ssl = sslOfParameters(all)
  return ssl === undefined ? keys : { ...keys, ssl }
}
