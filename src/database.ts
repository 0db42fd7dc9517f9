// What the store asks of the database: a batch or a statement by name goes in, rows come out. Creates the table first
// where that is wanted, and gives no row that was not asked for. Must not know sessions or when they expire.

import { answersOf, parametersOf } from './batches.ts'
import { inBackground, monotonicMs } from './clock.ts'
import { Connection } from './connection.ts'
import { type StoreError, sidRefused } from './errors.ts'
import type { Batch } from './lanes.ts'
import type { Operation } from './operations.ts'
import type { Settings } from './options.ts'
import type { Columns, Parameters, TimeLeft } from './query.ts'
import { now } from './session.ts'
import {
  type Names,
  names,
  type ParameterName,
  type Statement,
  type StatementName,
  type Statements,
  statements,
} from './statements.ts'
import { createTable, sidTypeOf } from './table.ts'

export const codeOf = (error: unknown): string => (error as StoreError).code

/** lock_not_available: what `lock_timeout` ends. */
export const LOCKED = '55P03'

// Undefined function (an operator), wrong type, and rows or columns that were not asked for: what comes of a
// table whose sids are no text.
const OF_SID_TYPE = new Set(['42883', '42804', 'STORE_MISMATCH'])

const none: Parameters = () => []

/** What a statement is given, by name; made for each attempt. */
export type Values = (time: TimeLeft) => Partial<Record<ParameterName, string | number>>

export class Database {
  readonly #settings: Settings
  readonly #connection: Connection
  readonly #names: Names
  #sidType = ''
  #statements: Statements
  #created: Promise<void> | undefined

  /** Opens nothing yet. @throws TypeError for an instance or address that cannot be used */
  constructor(settings: Settings) {
    this.#settings = settings
    this.#connection = new Connection(settings)
    this.#names = names(settings.tableName, settings.schemaName)
    this.#statements = statements(this.#names)
  }

  /** When an operation that starts now has to end, in ms of the monotonic clock. */
  deadline(): number {
    return monotonicMs() + this.#settings.timeoutMs
  }

  get isAway(): boolean {
    return this.#connection.isAway
  }

  /** The error for a caller whose statement was never sent. */
  timedOut(): StoreError {
    return this.#connection.timedOut()
  }

  /** What came back for each sid: nothing where it has no row. @throws StoreError */
  async run(batch: Batch<Operation>): Promise<(Columns | undefined)[]> {
    const { verb } = batch.ops[0] as Operation
    const form = (made: Statements) => (batch.passesOverHeld ? { ...made, ...made.passingOver } : made)[verb]
    const parameters = (statement: Statement): Parameters => {
      return (time) => parametersOf(statement, batch, now(), time)
    }
    return this.#send(form, parameters, batch.until, (rows) => answersOf(batch, rows))
  }

  /** @throws StoreError */
  query(name: StatementName, values: Values, until: number = this.deadline()): Promise<Columns[]> {
    const parameters = (statement: Statement): Parameters => {
      return (time) => {
        const given = values(time)
        return statement.parameters.map((each) => String(given[each]))
      }
    }
    const form = (made: Statements) => made[name]
    return this.#send(form, parameters, until, (rows) => rows)
  }

  /** @param read may find that these are not the rows that were asked for */
  async #send<T>(
    form: (made: Statements) => Statement,
    parameters: (statement: Statement) => Parameters,
    until: number,
    read: (rows: Columns[]) => T,
  ): Promise<T> {
    if (this.#settings.createTableIfMissing) await this.#createOnce(until)
    const made = this.#statements
    const statement = form(made)
    try {
      return read(await this.#connection.query(statement.text, parameters(statement), until))
    } catch (error) {
      const code = codeOf(error)
      // Dropped meanwhile: the next operation creates it again, if that is wanted.
      if (code === '42P01') this.#created = undefined
      if (code === 'STORE_MISMATCH') this.#connection.replace()
      if (OF_SID_TYPE.has(code)) {
        await this.#askSidType(until)
        if (this.#statements !== made) return this.#send(form, parameters, until, read)
      }
      if (this.#sidType && /^22|42883/.test(code)) throw sidRefused(error as StoreError, this.#sidType)
      throw error
    }
  }

  /**
   * The statements are made for sids of text, as in table.sql. Makes them anew where the catalogue says
   * otherwise.
   */
  async #askSidType(until: number): Promise<void> {
    const rows = await this.#connection.query(this.#statements.sidType.text, none, until).catch(() => [])
    const sidType = sidTypeOf(this.#names, rows) ?? this.#sidType
    if (sidType === this.#sidType) return
    this.#sidType = sidType
    this.#statements = statements(this.#names, sidType)
  }

  /** For a statement that gives a number. */
  async count(name: StatementName, values: Values, until: number): Promise<number> {
    const [row] = await this.query(name, values, until)
    return Number(row?.[0])
  }

  createTable(until: number = this.deadline()): Promise<void> {
    const run = (text: string) => this.#connection.query(text, none, until)
    return createTable(this.#names, {
      exists: async () => (await run(this.#statements.exists.text))[0]?.[0] === 'true',
      create: run,
    })
  }

  /** Nothing may be under way. */
  close(): Promise<void> {
    return this.#connection.close()
  }

  /** Success is remembered, failure is not: the next operation tries again. */
  #createOnce(until: number): Promise<void> {
    // Kept for good: it must not keep the context of the request that came first.
    this.#created ??= inBackground(() =>
      this.createTable(until).catch((error) => {
        this.#created = undefined
        throw error
      }),
    )
    return this.#created
  }
}
