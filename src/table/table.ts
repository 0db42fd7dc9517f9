// What the store asks of the database: a batch or a statement by name goes in, rows come out. Creates the table first
// where that is wanted, and gives no row that was not asked for. Must not know sessions or when they expire.

import { inBackground, monotonicMs, now } from '../clock.ts'
import { Pool } from '../connection/pool.ts'
import type { Columns, Parameters, TimeLeft } from '../connection/query.ts'
import { codeOf, type StoreError, sidRefused } from '../errors.ts'
import type { Settings } from '../options.ts'
import type { Batch } from '../queue/batcher.ts'
import { isOfSidType, isRefusedSid, UNDEFINED_TABLE } from '../sqlstate.ts'
import { createTable, sidTypeOf } from './ddl.ts'
import { type Names, names } from './names.ts'
import type { Operation } from './operations.ts'
import { answersOf, parametersOf } from './results.ts'
import type { ParameterName, Statement } from './sql.ts'
import { type StatementName, type Statements, statements } from './statements.ts'

const none: Parameters = () => []

/** What a statement is given, by name; made for each attempt. */
export type Values = (time: TimeLeft) => Partial<Record<ParameterName, string | number>>

export class Table {
  readonly #settings: Settings
  readonly #pool: Pool
  readonly #names: Names
  #sidType = ''
  #statements: Statements
  #created: Promise<void> | undefined

  /** Opens nothing yet. @throws TypeError for an instance or address that cannot be used */
  constructor(settings: Settings) {
    this.#settings = settings
    this.#pool = new Pool(settings)
    this.#names = names(settings.tableName, settings.schemaName)
    this.#statements = statements(this.#names)
  }

  /** When an operation that starts now has to end, in ms of the monotonic clock. */
  deadline(): number {
    return monotonicMs() + this.#settings.timeoutMs
  }

  get isAway(): boolean {
    return this.#pool.isAway
  }

  /** The error for a caller whose statement was never sent. */
  timedOut(): StoreError {
    return this.#pool.timedOut()
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
      return read(await this.#pool.query(statement.text, parameters(statement), until))
    } catch (error) {
      const code = codeOf(error)
      // Dropped meanwhile: the next operation creates it again, if that is wanted.
      if (code === UNDEFINED_TABLE) this.#created = undefined
      if (code === 'STORE_MISMATCH') this.#pool.replace()
      if (isOfSidType(code) || code === 'STORE_MISMATCH') {
        await this.#askSidType(until)
        if (this.#statements !== made) return this.#send(form, parameters, until, read)
      }
      if (this.#sidType && isRefusedSid(code)) throw sidRefused(error as StoreError, this.#sidType)
      throw error
    }
  }

  /**
   * The statements are made for sids of text, as in table.sql. Makes them anew where the catalogue says
   * otherwise.
   */
  async #askSidType(until: number): Promise<void> {
    const rows = await this.#pool.query(this.#statements.sidType.text, none, until).catch(() => [])
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
    const run = (text: string) => this.#pool.query(text, none, until)
    return createTable(this.#names, {
      exists: async () => (await run(this.#statements.exists.text))[0]?.[0] === 'true',
      create: run,
    })
  }

  /** Nothing may be under way. */
  close(): Promise<void> {
    return this.#pool.close()
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
