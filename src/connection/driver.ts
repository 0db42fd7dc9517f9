// The driver's options for the store's connections: those of the app's postgres.js instance or of an address,
// without anything that could change the store's rows. Promises to leave the instance as it is. Must not know
// what is sent on the connections.
//
// Why connections of the store's own, without pipelining: when queries are pipelined on a connection and one
// of them is malformed, postgres.js 3.4.9 can give the rows of one query to another. In a session store that
// serves one user's session to another.

import { isIP } from 'node:net'
import postgres, { type Sql } from 'postgres'
import type { Settings } from '../settings/settings.ts'
import { address } from './address.ts'
import { checkInstance, type DriverOptions } from './instance.ts'

/**
 * The options for one connection of the store's own.
 * @throws TypeError for a transaction, a reserved connection, or what is no postgres.js instance
 */
export function lentOptions(settings: Settings): DriverOptions {
  if (settings.postgres) checkInstance(settings.postgres)
  // A new instance only parses the options here: it opens no connection before its first query.
  const instance: Sql<any> = settings.postgres ?? postgres(address(settings) as object)
  const options = instance.options as unknown as DriverOptions | undefined
  if (!Array.isArray(options?.host) || typeof options['shared'] !== 'object') {
    throw new TypeError(
      'The settings of the instance given as `postgres` cannot be read: pass the one that postgres() ' +
        'returned, or `isolate: false` to let the store work on its connections',
    )
  }
  // With several hosts, one that does not answer must leave time to try the others.
  const { timeoutMs, contactMs = timeoutMs } = settings
  const hosts = options.host.length
  const connectTimeoutMs = hosts > 1 ? Math.min(timeoutMs / 2, contactMs) / hosts : timeoutMs
  return {
    ...options,
    max: 1,
    // Undocumented. With any other value postgres.js 3.4.9 still puts a second query on a busy connection.
    max_pipeline: 0,
    ssl: verified(options['ssl'], options.host),
    connection: named(options['connection'], settings.applicationName),
    fetch_types: false,
    debug: false,
    no_subscribe: true,
    types: {},
    parsers: {},
    serializers: {},
    transform: { undefined: undefined, column: {}, value: {}, row: {} },
    onnotice() {},
    onnotify: undefined,
    onclose: undefined,
    onparameter: undefined,
    // The store checks by itself that it talks to the primary. The driver's check (3.4.9) can accept a
    // standby, or leave a rejection unhandled.
    target_session_attrs: null,
    connect_timeout: Math.min(Number(options['connect_timeout'] || 30), connectTimeoutMs / 1000),
    backoff: (retries: number) => Math.min(0.05 * retries, 0.25),
  }
}

/**
 * Adds the host to the options of TLS where the server is given by IP address. Without it the driver (3.4.9)
 * compares the certificate with the name `localhost`.
 */
function verified(ssl: unknown, [host, ...others]: string[]): unknown {
  const verifies = ssl === true || ssl === 'verify-full' || (typeof ssl === 'object' && ssl)
  if (!verifies || others.length > 0 || !isIP(host ?? '')) return ssl
  return { host, ...(typeof ssl === 'object' && ssl) }
}

/** Names connections after the store, unless the app chose a name. `postgres.js` is the driver's default. */
function named(connection: { application_name?: string }, ownName: string | undefined): object {
  const name = ownName ?? connection.application_name ?? 'postgres.js'
  return { ...connection, application_name: name === 'postgres.js' ? 'connect-postgres-simple' : name }
}
