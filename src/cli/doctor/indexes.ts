// Checks of the indexes that the stores need: one that keeps sids unique, and one on the expiry. Promises to
// take an index for there also where it is invalid. Must not know what the columns are made of.

import { isBuilding, OR_BUILT } from './building.ts'
import { type Check, concurrently, nothing, type Question, question, type Subject } from './check.ts'

/**
 * The indexes of the table whose first key is a column. Before PostgreSQL 11 there is no `indnkeyatts`, no
 * column in an index beside its keys. `pg_get_indexdef` would say more, and wait for locks on the table (seen
 * on 18.4).
 */
export const indexesOn = (column: string, oid: string) => `
  select i.indisvalid as is_valid, m.amname = 'btree' and i.indpred is null as is_whole,
    i.indisunique and i.indimmediate and i.indpred is null and i.indexprs is null
      and coalesce((pg_catalog.to_json(i) ->> 'indnkeyatts')::int, i.indnatts) = 1 as is_key,
    -- With the schema: a repair can run under another role, with another search_path.
    pg_catalog.format('%I.%I', n.nspname, c.relname) as name, c.relname, i.indexrelid,
    pg_catalog.format('%s using %s%s', i.indexrelid::regclass, m.amname,
      case when i.indpred is not null then ' for some of the rows' end) as definition
  from pg_catalog.pg_index i
  join pg_catalog.pg_class c on c.oid = i.indexrelid
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  join pg_catalog.pg_am m on m.oid = c.relam
  join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
  where i.indrelid = ${oid}::oid and a.attname = '${column}'`

/** Tables that can have an index, with the column. */
const hasColumn = (column: string, oid: string) => `exists (
    select from pg_catalog.pg_class c join pg_catalog.pg_attribute a on a.attrelid = c.oid
    where c.oid = ${oid}::oid and c.relkind in ('r', 'p', 'm')
      and a.attname = '${column}' and not a.attisdropped
  )`

/**
 * One row, with the definitions of the indexes that are there, if none of them fulfils the condition, and
 * whether somebody may be building one.
 */
const noneThat = (condition: string, column: string): Question =>
  question(
    ['oid'],
    ($) => `
    select pg_catalog.string_agg(definition, ', '), ${isBuilding($.oid)}::text
    from (${indexesOn(column, $.oid)}) as i
    having ${hasColumn(column, $.oid)} and coalesce(pg_catalog.bool_or(${condition}), false) is false`,
  )

export const uniqueSid = (subject: Subject): string =>
  `create unique index${concurrently(subject)} on ${subject.table} ("sid")`

// PostgreSQL chooses the name, as the one of table.sql may be taken by an index of another table.
export const onExpire = (subject: Subject): string =>
  `create index${concurrently(subject)} on ${subject.table} ("expire")`

// On a partitioned table an index is built while everybody who writes waits.
export const isSafe = (subject: Subject): boolean => concurrently(subject) !== ''

const foundOf = (others: unknown, isBuilding: unknown): string =>
  `${others ?? 'none'}${isBuilding === 'true' ? OR_BUILT : ''}`

/** Nothing while somebody may be building it: two builds would make two of a kind. */
const buildBy =
  (create: (subject: Subject) => string): Check['fix'] =>
  ([, isBuilding], subject) =>
    isBuilding === 'true' ? nothing() : [create(subject)]

export const indexChecks: readonly Check[] = [
  {
    code: 'sid-unique-missing',
    severity: 'error',
    question: noneThat('is_key', 'sid'),
    expected: 'a primary key or unique index on "sid" alone',
    found: ([others, isBuilding]) => foundOf(others, isBuilding),
    meaning:
      'Neither store can save a new session: `on conflict` fails with 42P10. If rows share a sid, the ' +
      'index cannot be built before all but one of them are deleted.',
    fix: buildBy(uniqueSid),
    isSafe,
  },
  {
    code: 'expire-index-missing',
    severity: 'warning',
    question: noneThat('true', 'expire'),
    expected: 'an index on "expire"',
    found: ([, isBuilding]) => foundOf(null, isBuilding),
    meaning:
      'Every prune reads the whole table: once in a minute with this store, once in a quarter of an hour ' +
      'in each process with connect-pg-simple.',
    fix: buildBy(onExpire),
    isSafe,
  },
  {
    code: 'expire-index-kind',
    severity: 'warning',
    question: question(
      ['oid'],
      ($) => `
      select pg_catalog.string_agg(definition, ', '), ${isBuilding($.oid)}::text
      from (${indexesOn('expire', $.oid)}) as i
      having not pg_catalog.bool_or(is_whole)`,
    ),
    expected: 'a btree index on "expire", for all rows',
    found: ([others, isBuilding]) => foundOf(others, isBuilding),
    meaning:
      'A prune of either store can use no index of this kind, or not for all rows: it reads the whole table.',
    fix: buildBy(onExpire),
    isSafe,
  },
]
