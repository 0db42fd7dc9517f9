// What an app's postgres.js instance lends to the store: its settings, with all that could bend the store's rows
// taken out. Leaves the instance as it is. Must not know what the store does with them.
//
// postgres.js 3.4 can hand the rows of one query to another when queries are pipelined on a connection and one of
// them is bad; for a session store that is one user's session served to another. So the store's connections are its
// own, and never pipelined.

import { isIP } from 'node:net'
import postgres, { type Sql } from 'postgres'
import { address } from './address.ts'
import type { Settings } from './options.ts'

/** postgres.js' options after parsing, as it keeps them in `sql.options`; more of them exist than its types say. */
export type DriverOptions = Record<string, any> & { host: string[]; port: number[] }

/**
 * The options for one connection of the store's own.
 * @throws TypeError for a transaction, a reserved connection, or what is no postgres.js instance
 */
export function lentOptions(settings: Settings): DriverOptions {
  if (settings.postgres) checkInstance(settings.postgres)
  // Asked for its options only: an instance opens no connection before its first query.
  const lender: Sql<any> = settings.postgres ?? postgres(address(settings) as object)
  const options = lender.options as unknown as DriverOptions | undefined
  if (!Array.isArray(options?.host) || typeof options['shared'] !== 'object') {
    throw new TypeError(
      'The settings of the instance given as `postgres` cannot be read: pass the one that postgres() returned, or ' +
        '`isolate: false` to let the store work on its connections',
    )
  }
  // With several hosts, one that does not answer must leave time for the others.
  const patienceMs =
    options.host.length > 1 ? settings.timeoutMs / (2 * options.host.length) : settings.timeoutMs
  return {
    ...options,
    max: 1,
    // Undocumented, and the only value that really puts one query at a time on a connection.
    max_pipeline: 0,
    ssl: verified(options['ssl'], options.host),
    connection: named(options['connection']),
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
    // The store goes to the primary in any case. The driver's own check lets a standby pass, or a rejection escape.
    target_session_attrs: null,
    connect_timeout: Math.min(Number(options['connect_timeout'] || 30), patienceMs / 1000),
    backoff: (retries: number) => Math.min(0.05 * retries, 0.25),
  }
}

/** The driver compares the certificate of a server that is given by IP address with the name `localhost`. */
function verified(ssl: unknown, [host, ...others]: string[]): unknown {
  const verifies = ssl === true || ssl === 'verify-full' || (typeof ssl === 'object' && ssl)
  if (!verifies || others.length > 0 || !isIP(host ?? '')) return ssl
  return { host, ...(typeof ssl === 'object' && ssl) }
}

/** Connections carry the store's name unless the app chose one: nobody chose the driver's. */
function named(connection: { application_name?: string }): object {
  const { application_name: name = 'postgres.js' } = connection
  return { ...connection, application_name: name === 'postgres.js' ? 'connect-postgres-simple' : name }
}

/** @throws TypeError if the store's statements would be changed on the instance's own connections */
export function checkShareable(sql: Sql<any>): void {
  checkInstance(sql)
  const { transform, parsers, serializers } = (sql.options ?? {}) as unknown as Partial<DriverOptions>
  const text = 'a_b "C"'
  // `text`, which all parameters and most columns are, and `varchar`, which the sids of most tables are.
  const isChanged = [25, 1043].some((type) => {
    const written = serializers?.[25]?.(text) ?? text
    const read = parsers?.[type]?.(written) ?? written
    const given = transform?.value?.from?.(read, { name: 'sid', type, table: 0, number: 0 }) ?? read
    return given !== text
  })
  if (transform?.row?.from || isChanged) {
    throw new TypeError(
      'The instance given as `postgres` changes text or rows by `transform` or `types`, which `isolate: false` cannot ' +
        'shield from: leave `isolate` at true, or pass an instance without them',
    )
  }
}

function checkInstance(sql: Sql<any>): void {
  const wrong =
    'savepoint' in sql
      ? 'a transaction: its connection goes back to the app when it ends'
      : 'release' in sql
        ? 'a reserved connection: it goes back to the app when it is released'
        : typeof sql.unsafe !== 'function' || typeof sql.begin !== 'function' || typeof sql.end !== 'function'
          ? 'a function without the methods of one'
          : undefined
  if (wrong) throw new TypeError(`Expected \`postgres\` to be what postgres() returned, got ${wrong}`)
}
