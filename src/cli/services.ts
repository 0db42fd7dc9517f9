// Looks at the table with the eyes of the services, by the role of --url, where another role creates it.
// Promises to change nothing. Must not know what is created.

import type { Pool } from '../connection/pool.ts'
import { names } from '../table/names.ts'
import { ask } from './ask.ts'
import type { FlagValues } from './command.ts'
import { cancelStatements, settingsOf, withContact } from './contact.ts'
import { examine } from './doctor/examine.ts'
import { UsageError } from './usage.ts'

const QUESTION_MS = 5000

/** The same for every role, and for no other database of this server or another one. */
const DATABASE = `
  pg_catalog.concat_ws(' ', pg_catalog.current_database(), (
    select d.oid from pg_catalog.pg_database d where d.datname = pg_catalog.current_database()
  ), (pg_catalog.date_part('epoch', pg_catalog.pg_postmaster_start_time()) * 1000)::int8)`

/** The schema in which the table is found, or would be created. */
const PLACE = `
  select ${DATABASE}, coalesce((
    select n.nspname::text
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where c.oid = pg_catalog.to_regclass($1::text)
  ), pg_catalog.current_schema()::text)`

/** Where the services look for the table. */
export interface Place {
  /** To be compared with that of the role of --admin-url. */
  readonly database: string
  /** Undefined if nowhere. */
  readonly schema: string | undefined
}

/** @throws StoreError if the services' role could not ask */
export function placeOfServices(values: FlagValues, stop: AbortSignal): Promise<Place> {
  const settings = settingsOf(values, stop)
  return withContact(settings, async ({ pool }) => {
    const { table } = names(settings.tableName, settings.schemaName)
    const [row] = await ask(pool, PLACE, [table], QUESTION_MS)
    return { database: String(row?.[0]), schema: row?.[1] ?? undefined }
  })
}

/**
 * Refuses an --admin-url that leads to another database than --url. A role that cannot connect is no reason: what
 * is asked afterwards says so.
 * @throws UsageError
 */
export async function checkAdminUrl(values: FlagValues, stop: AbortSignal): Promise<void> {
  if (values['admin-url'] === undefined) return
  try {
    const place = await placeOfServices(values, stop)
    await withContact(settingsOf(values, stop, true), ({ pool }) => checkDatabase(pool, place))
  } catch (error) {
    if (error instanceof UsageError) throw error
  }
}

/**
 * Of the role of --admin-url.
 * @throws UsageError if it is another database than that of the services, which have nothing of what is made there
 */
export async function checkDatabase(pool: Pool, { database }: Place): Promise<void> {
  const [[found] = []] = await ask(pool, `select ${DATABASE}`, [], QUESTION_MS)
  if (found !== database) throw new UsageError('--admin-url leads to another database than --url')
}

const RIGHTS = ['right-schema', 'right-missing']

/** The statements that give the services the rights that they lack on the table. */
export async function grantsForServices(values: FlagValues, stop: AbortSignal): Promise<string[]> {
  const wanted = { processes: '', max: '4', longSeconds: '300' }
  const findings = await examine(settingsOf(values, stop), wanted, [], () => cancelStatements(values))
  return findings.filter(({ code }) => RIGHTS.includes(code)).flatMap(({ statements }) => statements)
}
