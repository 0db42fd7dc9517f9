// Checks of settings of the server that cut operations short, refuse writes or lose them. Must not know the
// table. What is found are settings of this connection: those of a service may come from another role.

import type { Columns } from '../../connection/query.ts'
import { type Check, nothing, type Question, question, type Severity, type Subject } from './check.ts'

/** Asks for a setting if it fulfils a condition: its value with unit, and where it comes from. */
const setting = (name: string, condition: string): Question =>
  question(
    [],
    () => `
    select s.setting || coalesce(s.unit, ''), s.source
    from pg_catalog.pg_settings s
    where s.name = '${name}' and ${condition}`,
  )

/**
 * Sets it where it comes from, or closer. Nothing outside of this process can change what the connection
 * itself asks for, as in `options` of a URL or in PGOPTIONS.
 */
const set =
  (name: string, value: string) =>
  ([, source]: Columns, { role, database }: Subject): readonly string[] => {
    if (source === 'client') return nothing()
    if (source === 'database user')
      return [`alter role ${role} in database ${database} set ${name} = ${value}`]
    return [`alter ${source === 'user' ? `role ${role}` : `database ${database}`} set ${name} = ${value}`]
  }

const SOURCES: Readonly<Record<string, string>> = {
  client: 'asked for by the connection',
  user: 'set for the role',
  database: 'set for the database',
  'database user': 'set for the role in this database',
}

const found = ([value, source]: Columns): string =>
  `${value}, ${SOURCES[source as string] ?? 'of the server'}`

/** A time-out that is on, and shorter than so many milliseconds. */
const shorter = (name: string, ms: number): Question =>
  setting(name, `s.setting::int8 > 0 and s.setting::int8 < ${ms}`)

interface Simple {
  readonly code: string
  readonly severity: Severity
  readonly name: string
  readonly question: Question
  readonly expected: string
  readonly meaning: string
  readonly value: string
}

const simple = ({ name, value, ...rest }: Simple): Check => ({ ...rest, found, fix: set(name, value) })

export const settingChecks: readonly Check[] = [
  {
    code: 'server-version',
    severity: 'note',
    question: question(
      [],
      () => `
      select pg_catalog.current_setting('server_version')
      where pg_catalog.current_setting('server_version_num')::int < 140000`,
    ),
    expected: 'PostgreSQL 14 or later',
    found: ([version]) => version as string,
    meaning:
      'Works, but a table in which much has expired is pruned by the expiry alone, not by pages, which ' +
      'takes several times as long. The store is tested on 15 and 18.',
    fix: nothing,
  },
  simple({
    code: 'read-only',
    severity: 'error',
    name: 'default_transaction_read_only',
    question: setting('default_transaction_read_only', `s.setting = 'on'`),
    expected: 'transactions that may write',
    meaning:
      'Every write of either store fails with 25006. The statement that repairs it is refused as well, ' +
      'unless `set default_transaction_read_only = off` goes before it.',
    value: 'off',
  }),
  simple({
    code: 'statement-timeout',
    severity: 'warning',
    name: 'statement_timeout',
    question: shorter('statement_timeout', 10_000),
    expected: 'none, or no less than the 10 seconds of `timeout`',
    meaning:
      'A prune, or what waits while a migration holds the table, fails with 57014 before the store gives it up. ' +
      'connect-pg-simple prunes in one statement, which takes longer.',
    value: '0',
  }),
  simple({
    code: 'lock-timeout',
    severity: 'warning',
    name: 'lock_timeout',
    question: shorter('lock_timeout', 10_000),
    expected: 'none, or no less than the 10 seconds of `timeout`',
    meaning:
      'While a migration holds the table, operations fail with 55P03 instead of waiting for it, in both ' +
      'stores.',
    value: '0',
  }),
  simple({
    code: 'idle-session-timeout',
    severity: 'warning',
    name: 'idle_session_timeout',
    question: shorter('idle_session_timeout', 60_000),
    expected: 'none, or more than the 60 seconds after which the store closes idle connections itself',
    meaning:
      'The store opens connections more often than it has to. The pool of connect-pg-simple emits an error ' +
      'for each, which ends the process if nobody listens.',
    value: '0',
  }),
  simple({
    code: 'synchronous-commit',
    severity: 'warning',
    name: 'synchronous_commit',
    question: setting('synchronous_commit', `s.setting = 'off'`),
    expected: 'on',
    meaning:
      'A crash of the server loses the last half second: saved sessions are as they were before, and who ' +
      'logged out is logged in again. The store itself does without for touches only.',
    value: 'on',
  }),
  {
    code: 'fsync',
    severity: 'error',
    question: setting('fsync', `s.setting = 'off'`),
    expected: 'on',
    found,
    meaning: 'A crash of the machine can destroy the whole database, not sessions only.',
    fix: () => ['alter system set fsync = on', 'select pg_reload_conf()'],
  },
]
