// The command `init`: creates the table, or prints its SQL. Promises that printing connects to nothing, and
// that a table which is there is left as it is. Must not know what the table is made of.

import { ddl } from '../table/ddl.ts'
import { names } from '../table/names.ts'
import type { Command, ExitCode } from './command.ts'
import { settingsOf, withContact } from './contact.ts'

export const init: Command = {
  name: 'init',
  says: 'Creates the table and its index, unless the table is there.',
  flags: {
    print: { says: 'print the SQL, and connect to nothing' },
  },
  async run(values, screen) {
    const settings = settingsOf(values, true)
    const { table: name, index } = names(settings.tableName, settings.schemaName)
    if (values['print']) {
      const sql = ddl(name, index)
      if (values['json']) screen.json({ sql })
      else screen.line(sql.trimEnd())
      return 0
    }
    return withContact<ExitCode>(settings, async ({ table }, exists) => {
      if (!exists) await table.createTable()
      if (values['json']) screen.json({ created: !exists })
      else screen.line(exists ? `The table ${name} is there already.` : `Created the table ${name}.`)
      return 0
    })
  },
}
