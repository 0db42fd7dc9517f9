// Checks of whether the table can be found. Promises to need no right on the table or its schema. Must not
// know what the table looks like.

import { ddl } from '../../table/ddl.ts'
import { names, quoted } from '../../table/names.ts'
import { type Check, type Question, question } from './check.ts'

/** For `relkind`. Not an index, a sequence or a type. */
const RELATIONS = "('r', 'p', 'v', 'm', 'f')"

/**
 * The table's oid, schema and kind; no row if it is missing. A name of more than 63 bytes is cut off by the
 * cast, as in every statement.
 */
export const TABLE: Question = question(
  ['schema', 'name'],
  ($) => `
  select c.oid::text, n.nspname::text, c.relkind::text
  from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where c.relname = ${$.name}::name and c.relkind in ${RELATIONS}
    and case ${$.schema} when '' then n.nspname = any(pg_catalog.current_schemas(true))
      else n.nspname = ${$.schema}::name end
  order by pg_catalog.array_position(pg_catalog.current_schemas(true), n.nspname)
  limit 1`,
)

export const missing: readonly Check[] = [
  {
    code: 'schema-missing',
    severity: 'error',
    question: question(
      ['schema'],
      ($) => `
      select ${$.schema}
      where ${$.schema} <> '' and not exists (
        select from pg_catalog.pg_namespace n where n.nspname = ${$.schema}::name
      )`,
    ),
    expected: ([schema]) => `the schema ${quoted(schema as string)}`,
    found: () => 'none of that name',
    meaning: 'Every operation of the store fails, and of connect-pg-simple too.',
    fix: ([schema]) => [`create schema ${quoted(schema as string)}`],
  },
  {
    code: 'table-missing',
    severity: 'error',
    question: question(
      ['schema', 'name', 'oid'],
      ($) => `
      select ${$.schema}, ${$.name},
        pg_catalog.string_agg(pg_catalog.format('%I.%I', n.nspname, c.relname), ', ')
      from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      where c.relname = ${$.name}::name and c.relkind in ${RELATIONS}
      having ${$.oid} = ''
        and (${$.schema} = ''
          or exists (select from pg_catalog.pg_namespace n where n.nspname = ${$.schema}::name))`,
    ),
    expected: ([schema, name]) =>
      schema
        ? `the table ${quoted(name as string)} in ${quoted(schema)}`
        : `the table ${quoted(name as string)}`,
    found: ([, , elsewhere]) =>
      elsewhere ? `none here, but ${elsewhere}` : 'none of that name in any schema',
    meaning:
      'Every operation fails with 42P01, unless `createTableIfMissing` is given. A table in another schema ' +
      'is found with `schemaName`, or if the role may use that schema and its `search_path` names it.',
    fix: ([schema, name]) => {
      const { table, index } = names(name as string, schema || undefined)
      return ddl(table, index)
        .trim()
        .split(/;\s*(?=create|$)/)
        .filter(Boolean)
    },
  },
  {
    code: 'right-create',
    severity: 'warning',
    question: question(
      ['schema', 'oid'],
      ($) => `
      select n.nspname::text
      from pg_catalog.pg_namespace n
      where ${$.oid} = '' and n.nspname = coalesce(nullif(${$.schema}, ''), pg_catalog.current_schema())
        and not pg_catalog.has_schema_privilege(n.oid, 'create')`,
    ),
    expected: ([schema], { role }) => `${role} may create tables in ${quoted(schema as string)}`,
    found: () => 'it may not',
    meaning:
      'The table is missing, and neither `createTableIfMissing` nor `init` can create it. Grant the right, ' +
      'or let another role create the table: `init --admin-url`.',
    fix: ([schema], { role }) => [`grant create on schema ${quoted(schema as string)} to ${role}`],
  },
]
