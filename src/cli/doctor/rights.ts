// Checks of what the role may do with the table that exists. Must not know what the table looks like.

import { quoted } from '../../table/names.ts'
import { may } from '../../table/rights.ts'
import { type Check, nothing, question } from './check.ts'

const FOR = {
  select: 'No session can be read: every request with a cookie fails.',
  insert: 'No new session can be saved.',
  update: 'No session can be saved or touched again, so all end early.',
  delete: 'No session can be destroyed: logouts fail, and nothing is pruned.',
}
type Right = keyof typeof FOR
const RIGHTS = Object.keys(FOR) as Right[]

export const rightChecks: readonly Check[] = [
  {
    code: 'right-schema',
    severity: 'error',
    question: question(
      ['oid'],
      ($) => `
      select n.nspname::text
      from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      where c.oid = ${$.oid}::oid and not pg_catalog.has_schema_privilege(n.oid, 'usage')`,
    ),
    expected: ([schema], { role }) => `${role} may use the schema ${quoted(schema as string)}`,
    found: () => 'it may not',
    meaning: 'Every operation of either store fails with 42501.',
    fix: ([schema], { role }) => [`grant usage on schema ${quoted(schema as string)} to ${role}`],
  },
  {
    code: 'right-missing',
    severity: 'error',
    question: question(
      ['oid'],
      ($) => `
      select v.verb
      from (values ${RIGHTS.map((right) => `('${right}', ${may(`${$.oid}::oid`, right)})`)}) as v(verb, may)
      where not v.may`,
    ),
    expected: ([verb], { role, table }) =>
      `${role} may ${verb} ${verb === 'delete' ? 'from' : 'on'} ${table}`,
    found: () => 'it may not',
    meaning: ([verb]) => `${FOR[verb as Right]} It fails with 42501, with connect-pg-simple too.`,
    fix: ([verb], { role, table }) => [`grant ${verb} on ${table} to ${role}`],
  },
  {
    code: 'right-ddl',
    severity: 'note',
    question: question(
      ['oid'],
      ($) => `
      select pg_catalog.pg_get_userbyid(c.relowner)::text
      from pg_catalog.pg_class c
      where c.oid = ${$.oid}::oid and not pg_catalog.pg_has_role(c.relowner, 'usage')`,
    ),
    expected: (_, { role }) => `${role} may change the table, if it is to repair it`,
    found: ([owner]) => `the table belongs to ${quoted(owner as string)}`,
    meaning:
      'Good practice: the stores need no more than to read and write rows. `doctor --fix` and ' +
      '`init --user-index` need `--admin-url` with the owner.',
    fix: nothing,
  },
]
