// Checks of the table's columns against those of table.sql. Must not know indexes, nor what rows hold.

import { quoted } from '../../table/names.ts'
import { type Check, nothing, type Question, question, type Severity, type Subject } from './check.ts'

/** The columns of table.sql, each with its type. */
const TYPES = { sid: 'character varying', sess: 'json', expire: 'timestamp(6) without time zone' }

/** How a missing column is added. A session cannot be found without its sid, so there is nothing to add. */
const ADDED: Readonly<Record<string, string>> = {
  sess: 'json not null default \'{"cookie":{}}\'',
  expire: 'timestamp(6) not null default current_timestamp',
}

interface Verdict {
  readonly severity: Severity
  readonly meaning: string
  /** Of the change to the type of table.sql. */
  readonly using?: string
}

/** What a type means that works, by column and name of the type. */
const VERDICTS: Readonly<Record<string, Verdict>> = {
  'sid varchar': {
    severity: 'error',
    meaning: 'The sids of express-session have 32 characters and do not fit: every save fails with 22001.',
  },
  'sid bpchar': {
    severity: 'warning',
    meaning: 'Shorter sids are filled up with spaces. Both stores find them, and tools may not.',
  },
  'sid citext': {
    severity: 'warning',
    meaning:
      'Sids that differ in the case of letters only are one session, for both stores. That makes sids ' +
      'easier to guess.',
  },
  'sid uuid': {
    severity: 'note',
    meaning: 'Works if `genid` of express-session makes UUIDs. Any other sid is refused with 22P02.',
  },
  'sess jsonb': {
    severity: 'warning',
    meaning:
      'Works. The order of keys is lost, and a session with the character NUL in it cannot be saved. ' +
      '`onConflict` compares what the server made of the text.',
    using: '"sess"::json',
  },
  'sess text': {
    severity: 'warning',
    meaning: 'Works. Nothing keeps a text that is not JSON out, and such a row can be read by neither store.',
    using: '"sess"::json',
  },
  'expire timestamptz': {
    severity: 'note',
    meaning:
      'Works with both stores, and better than `timestamp`: services with different TimeZones agree on it. ' +
      'To change it back is needed only for tools that expect the type of table.sql.',
    using: '"expire"::timestamp',
  },
  'expire int4': {
    severity: 'error',
    meaning: 'Neither store can work with seconds as a number: every save fails.',
    using: 'to_timestamp("expire")::timestamp',
  },
  'expire date': {
    severity: 'error',
    meaning: 'Sessions end at midnight before they should, with both stores.',
  },
}
const OTHER: Verdict = { severity: 'error', meaning: 'Neither store can work with a column of this type.' }

const verdictOf = (column: unknown, type: unknown): Verdict => VERDICTS[`${column} ${type}`] ?? OTHER

/** Only these can be altered. */
const OF_A_TABLE = `(select c.relkind from pg_catalog.pg_class c where c.oid = a.attrelid) in ('r', 'p', 'f')`

/** Asks for columns that fulfil a condition: their names, their types as SQL says them and in short. */
function columns(condition: string): Question {
  return question(
    ['oid'],
    ($) => `
    select a.attname::text, pg_catalog.format_type(a.atttypid, a.atttypmod), t.typname::text
    from pg_catalog.pg_attribute a
    join pg_catalog.pg_type d on d.oid = a.atttypid
    join pg_catalog.pg_type t on t.oid = case d.typtype when 'd' then d.typbasetype else d.oid end
    where a.attrelid = ${$.oid}::oid and a.attnum > 0 and not a.attisdropped and ${condition}
    order by a.attnum`,
  )
}

const alter = ({ table }: Subject, name: unknown, change: string): string[] => [
  `alter table ${table} alter column ${quoted(name as string)} ${change}`,
]

export const columnChecks: readonly Check[] = [
  {
    code: 'column-missing',
    severity: 'error',
    question: question(
      ['oid'],
      ($) => `
      select w.name
      from (values ('sid'), ('sess'), ('expire')) as w(name)
      where not exists (
        select from pg_catalog.pg_attribute a
        where a.attrelid = ${$.oid}::oid and a.attname = w.name and a.attnum > 0 and not a.attisdropped
      )`,
    ),
    expected: ([name]) => `a column "${name}" of type ${TYPES[name as keyof typeof TYPES]}`,
    found: () => 'none',
    meaning: 'Every operation fails with 42703, in connect-pg-simple too. This may be another table.',
    fix: ([name], { table }) =>
      name === 'sid' ? nothing() : [`alter table ${table} add column "${name}" ${ADDED[name as string]}`],
  },
  {
    code: 'column-type',
    severity: ([name, , type]) => verdictOf(name, type).severity,
    question: columns(`(
      a.attname = 'sid' and (t.typname not in ('varchar', 'text') or a.atttypmod between 0 and 35)
      or a.attname = 'sess' and t.typname <> 'json'
      or a.attname = 'expire' and t.typname <> 'timestamp')`),
    expected: ([name]) => `"${name}" of type ${TYPES[name as keyof typeof TYPES]}`,
    found: ([, type]) => type as string,
    meaning: ([name, , type]) => verdictOf(name, type).meaning,
    fix([name, , type], subject) {
      const column = name as keyof typeof TYPES
      const { using = `"${column}"::${TYPES[column]}` } = verdictOf(name, type)
      return alter(subject, name, `type ${TYPES[column]} using ${using}`)
    },
  },
  {
    code: 'sid-collation',
    severity: 'warning',
    question: columns(`a.attname = 'sid' and (
      select pg_catalog.to_json(c) ->> 'collisdeterministic'
      from pg_catalog.pg_collation c where c.oid = a.attcollation
    ) = 'false'`),
    expected: '"sid" with a collation that tells all texts apart',
    found: () => 'a nondeterministic collation',
    meaning:
      'Different spellings of a sid are one session, for both stores. That makes sids easier to guess.',
    fix: ([name, type], subject) => alter(subject, name, `type ${type} collate "default"`),
  },
  {
    code: 'column-nullable',
    severity: 'warning',
    question: columns(`a.attname in ('sid', 'sess', 'expire') and not a.attnotnull and ${OF_A_TABLE}`),
    expected: ([name]) => `"${name}" not null`,
    found: () => 'may be null',
    meaning:
      'Neither store writes nulls. A row that has one, by whoever wrote it, is never found, cannot be ' +
      'read, or is never pruned.',
    fix: ([name], subject) => alter(subject, name, 'set not null'),
  },
  {
    code: 'column-extra',
    severity: 'error',
    question: columns(`
      a.attname not in ('sid', 'sess', 'expire') and a.attnotnull and not a.atthasdef
      and a.attidentity = ''`),
    expected: ([name]) => `a default for "${name}", or that it may be null`,
    found: ([, type]) => `${type} not null, without a default`,
    meaning:
      'Both stores insert `sid`, `sess` and `expire` only, so every new session fails with 23502, unless a ' +
      'trigger fills the column.',
    fix: ([name], subject) => alter(subject, name, 'drop not null'),
  },
]
