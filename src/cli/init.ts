// The command `init`: creates the table, or prints its SQL. Promises that printing connects to nothing, and
// that a table which is there is left as it is. Must not know what the table is made of.

import type { Settings } from '../settings/settings.ts'
import { ddl } from '../table/ddl.ts'
import { names } from '../table/names.ts'
import { userIndex } from '../table/user-index.ts'
import { ADMIN, type Command, type FlagValues } from './command.ts'
import { settingsOf, withContact, withSessions } from './contact.ts'
import { printable, type Screen } from './screen.ts'
import { checkDatabase, grantsForServices, type Place, placeOfServices } from './services.ts'
import { checkNeeds } from './usage.ts'

export const init: Command = {
  name: 'init',
  says: 'Creates the table and its index, unless the table is there.',
  flags: {
    'user-index': { says: 'also the index on user ids, built beside the traffic' },
    'user-path': { value: 'PATH', says: 'where the id stands in a session, by dots; default: passport.user' },
    print: { says: 'print the SQL, and connect to nothing' },
    ...ADMIN,
  },
  async run(values, screen) {
    checkNeeds(values, 'user-path', 'user-index')
    if (values['print']) return print(values, screen)
    const isIndexed = values['user-index'] === true
    const { settings, place } = await placed(values, screen)
    const { table: name } = names(settings.tableName, settings.schemaName)
    const created = await withContact(settings, async ({ pool, table }, exists) => {
      if (place) await checkDatabase(pool, place)
      if (exists) return false
      screen.caveat = 'The table may have been created.'
      await table.createTable()
      return true
    })
    const made = created ? 'The table was created. ' : ''
    screen.caveat = made
    if (isIndexed) {
      screen.caveat = `${made}An index whose building did not end is not valid; the same command builds it anew.`
      await withSessions(settings, (sessions) => sessions.createUserIndex())
      screen.caveat = `${made}It has the index on user ids.`
    }
    const grants = values['admin-url']
      ? await grantsForServices(values, screen.interruption).catch(() => [])
      : []
    if (values['json']) screen.json({ created, ...(values['admin-url'] && { grants }) })
    else {
      screen.line(created ? `Created the table ${name}.` : `The table ${name} is there already.`)
      if (isIndexed) screen.line('It has the index on user ids.')
    }
    if (grants.length > 0) screen.remark('The role of --url lacks rights on it. These statements give them:')
    for (const grant of grants) screen.remark(`  ${printable(grant)};`)
    return 0
  },
}

function print(values: FlagValues, screen: Screen): 0 {
  const { tableName, schemaName, userIdPath } = settingsOf(values, undefined, true)
  const all = names(tableName, schemaName)
  const index = values['user-index'] === true ? `${userIndex(all, userIdPath).create};\n` : ''
  const sql = ddl(all.table, all.index) + index
  if (values['json']) screen.json({ sql })
  else screen.line(sql.trimEnd())
  return 0
}

/** The search_path of the role that creates the table may be another one than that of the services. */
async function placed(
  values: FlagValues,
  screen: Screen,
): Promise<{ settings: Settings; place?: Place | undefined }> {
  const settings = settingsOf(values, screen.interruption, true)
  if (values['admin-url'] === undefined) return { settings }
  try {
    const place = await placeOfServices(values, screen.interruption)
    return { settings: { ...settings, schemaName: settings.schemaName ?? place.schema }, place }
  } catch (error) {
    const { message } = error as Error
    const isPlaced = settings.schemaName !== undefined
    screen.remark(
      printable(
        isPlaced
          ? `The role of --url could not be asked whether --admin-url leads to its database: ${message}`
          : `The role of --url could not be asked for its schema, so that of --admin-url is taken: ${message}`,
      ),
    )
    return { settings }
  }
}
