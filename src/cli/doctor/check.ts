// What a finding is, and what a check is that can find it: a question to the server, each row of whose answer
// is a finding. Promises that every value is a parameter whose order stands beside the SQL. Must not know
// which checks there are.

import type { Pool } from '../../connection/pool.ts'
import type { Columns } from '../../connection/query.ts'

export type Severity = 'error' | 'warning' | 'note'

export interface Finding {
  /** Stable, and a heading of docs/command-line.md. */
  readonly code: string
  readonly severity: Severity
  readonly expected: string
  readonly found: string
  /** What it means for the store, and for connect-pg-simple beside it. */
  readonly meaning: string
  /** Statements, separated by semicolons; null if no statement can repair it. */
  readonly fix: string | null
}

/** What the questions are about. All are texts, to be sent as parameters. */
export interface Facts {
  /** As they were given. The schema is empty if none was. */
  readonly schema: string
  readonly name: string
  /** Empty if there is no such table. */
  readonly oid: string
  /** How many seconds a transaction may last before it counts as long. */
  readonly longSeconds: string
  /** How many processes use the store, and how many connections each may open. Empty if not given. */
  readonly processes: string
  readonly max: string
}

/** What the repairs are about. */
export interface Subject {
  readonly facts: Facts
  /** Quoted for SQL, with the schema in which the table was found. */
  readonly table: string
  /** That schema, not quoted. Empty if there is no such table. */
  readonly schema: string
  /** Of pg_class. */
  readonly kind: string
  /** The role that is logged in, and its database, quoted. */
  readonly role: string
  readonly database: string
  /** Of the server, as 180004. */
  readonly version: number
}

export interface Question {
  /** In the order in which they are sent. */
  readonly parameters: readonly (keyof Facts)[]
  readonly text: string
}

type Said<T> = T | ((row: Columns, subject: Subject) => T)

export interface Check {
  readonly code: string
  readonly severity: Said<Severity>
  readonly question: Question
  readonly expected: Said<string>
  readonly found: (row: Columns, subject: Subject) => string
  readonly meaning: Said<string>
  readonly fix: (row: Columns, subject: Subject) => readonly string[]
  /** Whether the repair blocks nobody and loses nothing, so that `--fix` runs it. */
  readonly isSafe?: (subject: Subject) => boolean
  /** The name of the invalid index that is reported, if it is one. */
  readonly index?: (row: Columns) => string
}

/** A finding with its statements one by one. */
export interface Repairable extends Finding {
  readonly statements: readonly string[]
  readonly isSafe: boolean
  /** The name of the invalid index that it reports, if it is one. */
  readonly index?: string
  /** Looks again: resolves with what would be found now, on a pool that can be another role's. */
  readonly again?: (pool: Pool) => Promise<readonly Repairable[]>
}

/**
 * @param parameters in the order in which they are sent; this is the only place that says it
 * @param text gets the placeholder of each parameter by its name
 */
export function question<const Name extends keyof Facts>(
  parameters: readonly Name[],
  text: ($: Readonly<Record<Name, string>>) => string,
): Question {
  const placeholders = parameters.map((name, i) => [name, `$${i + 1}::text`])
  return { parameters, text: text(Object.fromEntries(placeholders)) }
}

/** The finding that a row of the answer is. */
export function findingOf(check: Check, row: Columns, subject: Subject): Repairable {
  const said = <T extends string>(what: Said<T>): T =>
    typeof what === 'function' ? what(row, subject) : what
  const statements = check.fix(row, subject)
  return {
    code: check.code,
    severity: said(check.severity),
    expected: said(check.expected),
    found: check.found(row, subject),
    meaning: said(check.meaning),
    fix: fixOf(statements),
    statements,
    isSafe: check.isSafe?.(subject) === true,
    ...(check.index && { index: check.index(row) }),
  }
}

export const fixOf = (statements: readonly string[]): string | null =>
  statements.length === 0 ? null : `${statements.join(';\n')};`

/** For `fix`, where no statement repairs it. */
export const nothing = (): readonly string[] => []

/** Whether an index can be built anew beside the traffic. */
export const canRebuild = (subject: Subject): boolean =>
  concurrently(subject) !== '' && subject.version >= 120_000

/** Which statements build an index beside the traffic. Not possible on a partitioned table. */
export const concurrently = ({ kind }: Subject): string => (kind === 'p' ? '' : ' concurrently')
