// A connection URL, as node-postgres understands it. Gives the keys of node-postgres' connection object.
// Must not know what becomes of them.

import { sslOfParameters } from './ssl.ts'

export type Keys = Record<string, any>

export const words = (...lines: string[]): string[] => lines.flatMap((line) => line.split(' '))

/** Sent to the server when a connection starts, under the same name. */
export const SENT: readonly string[] = words(
  'application_name options statement_timeout lock_timeout idle_in_transaction_session_timeout',
)

/** Parameters that say how to reach the server, beside those of encryption. */
const TAKEN = words(
  ...SENT,
  'user password database port fallback_application_name connect_timeout sslnegotiation',
)

/**
 * Parameters that URLs carry for libpq, poolers and other drivers. node-postgres takes no notice of them, or
 * has made `ssl` of them, and they are no settings of a server's session.
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
 * @throws TypeError that does not quote the URL, as it holds a password
 */
export function fromUrl(url: unknown): Keys {
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
  for (const key of TAKEN) if (all[key] !== undefined) keys[key] = all[key]
  if (all['host'] !== undefined) Object.assign(keys, { hosts: undefined, host: all['host'] })
  const ssl = sslOfParameters(all)
  return ssl === undefined ? keys : { ...keys, ssl }
}
