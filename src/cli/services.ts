// Looks at the table with the eyes of the services, by the role of --url, where another role creates it.
// Promises to change nothing. Must not know what is created.

import { names } from '../table/names.ts'
import { ask } from './ask.ts'
import type { FlagValues } from './command.ts'
import { cancelStatements, settingsOf, withContact } from './contact.ts'
import { examine } from './doctor/examine.ts'

const QUESTION_MS = 5000

/** The schema in which the table is found, or would be created. */
const SCHEMA = `
  select coalesce((
    select n.nspname::text
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where c.oid = pg_catalog.to_regclass($1::text)
  ), pg_catalog.current_schema()::text)`

/**
 * Where the services look for the table; undefined if nowhere.
 * @throws StoreError if they could not be asked
 */
export function schemaOfServices(values: FlagValues, stop: AbortSignal): Promise<string | undefined> {
  const settings = settingsOf(values, stop)
  return withContact(settings, async ({ pool }) => {
    const { table } = names(settings.tableName, settings.schemaName)
    const [row] = await ask(pool, SCHEMA, [table], QUESTION_MS)
    return row?.[0] ?? undefined
  })
}

const RIGHTS = ['right-schema', 'right-missing']

/** The statements that give the services the rights that they lack on the table. */
export async function grantsForServices(values: FlagValues, stop: AbortSignal): Promise<string[]> {
  const wanted = { processes: '', max: '4', longSeconds: '300' }
  const findings = await examine(settingsOf(values, stop), wanted, [], () => cancelStatements(values))
  return findings.filter(({ code }) => RIGHTS.includes(code)).flatMap(({ statements }) => statements)
}
