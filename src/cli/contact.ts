// Opens the connection that the flags lead to, and the table or its sessions on it. Promises that a server
// which cannot be reached is an error within seconds, and that everything is closed afterwards. Must not know
// the commands.

import { randomUUID } from 'node:crypto'
import { EventEmitter } from 'node:events'
import { monotonicMs } from '../clock.ts'
import { Pool } from '../connection/pool.ts'
import { StoreError } from '../errors.ts'
import { Events } from '../events.ts'
import { parseOptions, type Settings } from '../settings/settings.ts'
import { UNDEFINED_TABLE } from '../sqlstate.ts'
import { Sessions } from '../store/sessions.ts'
import { type Names, names } from '../table/names.ts'
import { Table } from '../table/table.ts'
import { Counters } from '../tracing/counters.ts'
import { ask } from './ask.ts'
import type { FlagValues } from './command.ts'
import { UsageError } from './usage.ts'

// A wrong host or port should not keep anybody waiting for as long as a statement may take.
const CONTACT_MS = 5000

// Whoever interrupts does not want to wait.
const CANCEL_MS = 2000

// On a large table a statement of these commands reads much more than one of the store.
const STATEMENT_SECONDS = 300

/** Of the connections of this process, and of no others, so that their statements can be found. */
const APPLICATION = `connect-postgres-simple ${randomUUID().slice(0, 8)}`

/** What a command works with. */
export interface Contact {
  readonly settings: Settings
  readonly pool: Pool
  readonly table: Table
  readonly names: Names
}

/**
 * @param stop when it is aborted, nothing more is sent
 * @param isAdmin for DDL: `--admin-url` counts, if it was given
 */
export function settingsOf(values: FlagValues, stop?: AbortSignal, isAdmin = false): Settings {
  const adminUrl = isAdmin ? values['admin-url'] : undefined
  const conString = adminUrl ?? values['url']
  const settings = parseOptions({
    ...(conString !== undefined && { conString: conString as string }),
    tableName: values['table'] as string | undefined,
    schemaName: values['schema'] as string | undefined,
    userIdPath: pathOf(values['user-path'] as string | undefined),
    timeout: STATEMENT_SECONDS,
    pruneSessionInterval: false,
    max: 1,
    // Errors end a command, and are printed then.
    errorLog() {},
  })
  return { ...settings, applicationName: APPLICATION, contactMs: CONTACT_MS, ...(stop && { stop }) }
}

// What PgBouncer's `application_name_add_host` puts between a name and the client's address.
const BEFORE_HOST = ' - '

// Each role its own: to cancel those of another one is refused.
const CANCEL = `
  select pg_catalog.current_setting('application_name'), (
    select pg_catalog.count(*) filter (where pg_catalog.pg_cancel_backend(a.pid))
    from pg_catalog.pg_stat_activity a
    where (a.application_name = $1::text or a.application_name like $1::text || '${BEFORE_HOST}%')
      -- A pooler can keep connections under our name that nobody uses.
      and a.usename = session_user and a.state is distinct from 'idle'
  )::text`

/**
 * Cancels the statements of this process that the server is still busy with.
 * @returns why none was cancelled, if one of the roles could not ask for it
 */
export async function cancelStatements(values: FlagValues): Promise<string | undefined> {
  const all = [settingsOf(values), ...(values['admin-url'] ? [settingsOf(values, undefined, true)] : [])]
  const outcomes = await Promise.all(
    all.map((settings) => cancel(settings).catch(({ code, message }: StoreError) => `${code}: ${message}`)),
  )
  // A command has one statement at a time, of one of the roles.
  if (outcomes.some((outcome) => typeof outcome === 'number' && outcome > 0)) return
  return outcomes.find((outcome) => typeof outcome === 'string')
}

/** @returns how many statements, or why it cannot find them */
async function cancel(settings: Settings): Promise<number | string> {
  // Under another name, so as not to be cancelled by the other role's.
  const applicationName = `${APPLICATION} cancel`
  const pool = new Pool({ ...settings, applicationName, contactMs: CANCEL_MS }, new Counters())
  try {
    const [[name, count] = []] = await ask(pool, CANCEL, [APPLICATION], CANCEL_MS)
    // A pooler can give its own name to all that it passes on.
    const isOurs = name === applicationName || name?.startsWith(applicationName + BEFORE_HOST)
    return isOurs ? Number(count) : 'the server knows its connection by another name'
  } finally {
    await pool.close()
  }
}

/** Runs the work, also if there is no table. @param use gets whether the table exists */
export async function withContact<T>(
  settings: Settings,
  use: (contact: Contact, exists: boolean) => Promise<T>,
): Promise<T> {
  const pool = new Pool(settings, new Counters())
  const table = new Table(settings, pool)
  try {
    const [row] = await table.query('exists', () => ({}), monotonicMs() + CONTACT_MS)
    const contact = { settings, pool, table, names: names(settings.tableName, settings.schemaName) }
    return await use(contact, row?.[0] === 'true')
  } finally {
    await pool.close()
  }
}

/** Runs the work on the table. @throws StoreError if it does not exist */
export function withTable<T>(settings: Settings, use: (contact: Contact) => Promise<T>): Promise<T> {
  return withContact(settings, (contact, exists) => {
    if (exists) return use(contact)
    const message = `The table ${contact.names.table} does not exist: the command \`init\` creates it`
    throw new StoreError(UNDEFINED_TABLE, message, { severity: 'ERROR' })
  })
}

/** Runs the work on the sessions of the table, as the store does. @throws StoreError as `withTable` does */
export async function withSessions<T>(
  settings: Settings,
  use: (sessions: Sessions) => Promise<T>,
): Promise<T> {
  await withTable(settings, async () => {})
  const sessions = new Sessions(settings, new Events(new EventEmitter(), settings.errorLog))
  try {
    return await use(sessions)
  } finally {
    await sessions.close()
  }
}

/**
 * @throws UsageError for an empty part: a variable that is not set would look like a user without sessions
 */
function pathOf(text: string | undefined): string[] | undefined {
  const path = text?.split('.')
  if (path?.includes('')) throw new UsageError('Expected --user-path to be names with dots between them')
  return path
}

/** Enough of a sid to tell it from others, and not enough to use it. */
export function shortSid(sid: string): string {
  return `${sid.slice(0, Math.min(6, Math.floor(sid.length / 4)))}…`
}
