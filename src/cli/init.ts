// The command `init`: creates the table, or prints its SQL. Promises that printing connects to nothing, and
// that a table which is there is left as it is. Must not know what the table is made of.

import { ddl } from '../table/ddl.ts'
import { names } from '../table/names.ts'
import { userIndex } from '../table/user-index.ts'
import type { Command } from './command.ts'
import { settingsOf, withContact, withSessions } from './contact.ts'

export const init: Command = {
  name: 'init',
  says: 'Creates the table and its index, unless the table is there.',
  flags: {
    'user-index': { says: 'also the index on user ids, built beside the traffic' },
    'user-path': { value: 'PATH', says: 'where the id stands in a session, by dots; default: passport.user' },
    print: { says: 'print the SQL, and connect to nothing' },
  },
  async run(values, screen) {
    const settings = settingsOf(values, true)
    const isIndexed = values['user-index'] === true
    const all = names(settings.tableName, settings.schemaName)
    if (values['print']) {
      const sql =
        ddl(all.table, all.index) + (isIndexed ? `${userIndex(all, settings.userIdPath).create};\n` : '')
      if (values['json']) screen.json({ sql })
      else screen.line(sql.trimEnd())
      return 0
    }
    const created = await withContact(settings, async ({ table }, exists) => {
      if (!exists) await table.createTable()
      return !exists
    })
    if (isIndexed) await withSessions(settings, (sessions) => sessions.createUserIndex())
    if (values['json']) screen.json({ created })
    else {
      screen.line(created ? `Created the table ${all.table}.` : `The table ${all.table} is there already.`)
      if (isIndexed) screen.line('It has the index on user ids.')
    }
    return 0
  },
}
