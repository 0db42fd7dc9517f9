// Runs batches and single statements on the table. Promises that the table was created first if that is
// wanted, that the statements fit the type of its sids, and that no row is given out that was not asked for.
// Must not know session objects, nor what lifetime they have.

import { inBackground, monotonicMs, now } from '../clock.ts'
import type { Pool } from '../connection/pool.ts'
import type { Columns, Parameters, TimeLeft } from '../connection/query.ts'
import { codeOf, type StoreError, sidRefused } from '../errors.ts'
import type { Settings } from '../settings/settings.ts'
import { isOfSidType, isRefusedSid, UNDEFINED_TABLE } from '../sqlstate.ts'
import { type Answer, answersOf } from './answers.ts'
import { createTable } from './ddl.ts'
import { type Names, names } from './names.ts'
import type { Operation, OperationBatch } from './operations.ts'
import { parametersOf } from './parameters.ts'
import { sidTypeOf } from './sid-type.ts'
import type { ParameterName, Statement } from './sql.ts'
import { type StatementName, type Statements, statements } from './statements.ts'

const none: Parameters = () => []

/** The parameters of a statement by name. Called for each attempt, as they can depend on the time left. */
export type ValuesByName = (time: TimeLeft) => Partial<Record<ParameterName, string | number>>

/** A batch, as the queue makes it. */
export interface TableBatch extends OperationBatch {
  /** In ms of the monotonic clock. */
  readonly until: number
  /** By when a change must have taken effect. */
  readonly effectUntil: number
}

type TableSettings = Pick<Settings, 'tableName' | 'schemaName' | 'createTableIfMissing' | 'timeoutMs'>

export class Table {
  readonly #settings: TableSettings
  readonly #pool: Pool
  readonly #names: Names
  /** See `pieces`. Empty until the catalogue says otherwise. */
  #sidType = ''
  #statements: Statements
  #created: Promise<void> | undefined

  constructor(settings: TableSettings, pool: Pool) {
    this.#settings = settings
    this.#pool = pool
    this.#names = names(settings.tableName, settings.schemaName)
    this.#statements = statements(this.#names)
  }

  /** The deadline of an operation that starts now, in ms of the monotonic clock. */
  deadline(): number {
    return monotonicMs() + this.#settings.timeoutMs
  }

  /** Resolves with the answers in the order of the keys. @throws StoreError */
  async run(batch: TableBatch): Promise<Answer[]> {
    const { verb } = batch.ops[0] as Operation
    const pick = (all: Statements) => (batch.skipsHeld ? { ...all, ...all.skipping } : all)[verb]
    const parameters = (statement: Statement): Parameters => {
      return (time) => parametersOf(statement, batch, now(), time)
    }
    const effectUntil = verb === 'get' ? batch.until : batch.effectUntil
    const isSplittable = batch.keys.length > 1
    const read = (rows: Columns[]) => answersOf(batch, rows)
    return this.#send(pick, parameters, batch.until, read, effectUntil, isSplittable)
  }

  /** @throws StoreError */
  query(name: StatementName, values: ValuesByName, until: number = this.deadline()): Promise<Columns[]> {
    const parameters = (statement: Statement): Parameters => {
      return (time) => {
        const byName = values(time)
        return statement.parameters.map((name) => String(byName[name]))
      }
    }
    const pick = (all: Statements) => all[name]
    return this.#send(pick, parameters, until, (rows) => rows)
  }

  /**
   * Sends a statement, and sends it again if the sids turn out to have another type than the statements were
   * made for.
   * @param pick chooses the statement
   * @param read turns the rows into the result; throws STORE_MISMATCH if they are not those that were asked
   *   for
   */
  async #send<T>(
    pick: (all: Statements) => Statement,
    parameters: (statement: Statement) => Parameters,
    until: number,
    read: (rows: Columns[]) => T,
    effectUntil = until,
    isSplittable = false,
  ): Promise<T> {
    if (this.#settings.createTableIfMissing) await this.#createOnce(until)
    const all = this.#statements
    const statement = pick(all)
    try {
      return read(
        await this.#pool.query(statement.text, parameters(statement), until, effectUntil, isSplittable),
      )
    } catch (error) {
      const code = codeOf(error)
      // The table was dropped. The next operation creates it again, if that is wanted.
      if (code === UNDEFINED_TABLE) this.#created = undefined
      if (code === 'STORE_MISMATCH') this.#pool.replace()
      if (isOfSidType(code) || code === 'STORE_MISMATCH') {
        await this.#askSidType(until)
        if (this.#statements !== all)
          return this.#send(pick, parameters, until, read, effectUntil, isSplittable)
      }
      if (this.#sidType && isRefusedSid(code)) throw sidRefused(error as StoreError, this.#sidType)
      throw error
    }
  }

  /**
   * Makes the statements anew if the catalogue says that the column `sid` has another type than they are made
   * for.
   */
  async #askSidType(until: number): Promise<void> {
    const rows = await this.#pool.query(this.#statements.sidType.text, none, until).catch(() => [])
    const sidType = sidTypeOf(this.#names, rows) ?? this.#sidType
    if (sidType === this.#sidType) return
    this.#sidType = sidType
    this.#statements = statements(this.#names, sidType)
  }

  /** Runs a statement that returns one number. */
  async count(name: StatementName, values: ValuesByName, until: number): Promise<number> {
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

  /** Creates the table once. A failure is not remembered: the next operation tries again. */
  #createOnce(until: number): Promise<void> {
    // In the background, because the promise is kept and must not keep the first request's async context
    // alive.
    this.#created ??= inBackground(() =>
      this.createTable(until).catch((error) => {
        this.#created = undefined
        throw error
      }),
    )
    return this.#created
  }
}
