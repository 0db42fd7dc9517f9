// What the store asks of the database: a batch or a statement by name goes in, rows come out. Creates the table first
// where that is wanted, and gives no row that was not asked for. Must not know sessions or when they expire.

import { answersOf, parametersOf } from './batches.ts'
import { monotonicMs } from './clock.ts'
import { Connection } from './connection.ts'
import type { StoreError } from './errors.ts'
import type { Batch } from './lanes.ts'
import type { Operation } from './operations.ts'
import type { Settings } from './options.ts'
import type { Columns, Parameters } from './query.ts'
import { now } from './session.ts'
import { type Names, names, type Statements, statements } from './statements.ts'
import { createTable } from './table.ts'

export const codeOf = (error: unknown): string => (error as StoreError).code

/** lock_not_available: what `lock_timeout` ends. */
export const LOCKED = '55P03'

const none: Parameters = () => []

export class Database {
  readonly #settings: Settings
  readonly #connection: Connection
  readonly #names: Names
  readonly #statements: Statements
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

  /** For who was not answered by then. */
  timedOut(): StoreError {
    return this.#connection.timedOut()
  }

  /** What came back for each sid: nothing where it has no row. @throws StoreError */
  async run(batch: Batch<Operation>): Promise<(Columns | undefined)[]> {
    const { verb } = batch.ops[0] as Operation
    const rows = await this.query(verb, (time) => parametersOf(batch, now(), time), batch.until)
    try {
      return answersOf(batch, rows)
    } catch (error) {
      this.#connection.replace()
      throw error
    }
  }

  /** @throws StoreError */
  async query(
    name: keyof Statements,
    parameters: Parameters,
    until: number = this.deadline(),
  ): Promise<Columns[]> {
    if (this.#settings.createTableIfMissing) await this.#createOnce(until)
    try {
      return await this.#connection.query(this.#statements[name], parameters, until)
    } catch (error) {
      // Dropped meanwhile: the next operation creates it again, if that is wanted.
      if (codeOf(error) === '42P01') this.#created = undefined
      throw error
    }
  }

  /** For a statement that gives a number. */
  async count(name: keyof Statements, parameters: Parameters): Promise<number> {
    const [row] = await this.query(name, parameters)
    return Number(row?.[0])
  }

  createTable(until: number = this.deadline()): Promise<void> {
    const run = (text: string) => this.#connection.query(text, none, until)
    return createTable(this.#names, {
      exists: async () => (await run(this.#statements.exists))[0]?.[0] === 'true',
      create: run,
    })
  }

  /** Nothing may be under way. */
  close(): Promise<void> {
    return this.#connection.close()
  }

  /** Success is remembered, failure is not: the next operation tries again. */
  #createOnce(until: number): Promise<void> {
    this.#created ??= this.createTable(until).catch((error) => {
      this.#created = undefined
      throw error
    })
    return this.#created
  }
}
