// Runs batches and single statements on the table. Promises that the table was created first if that is
// wanted, that the statements fit the type of its sids, and that no row is given out that was not asked for.
// Must not know session objects, nor what lifetime they have.

import { inBackground, monotonicMs, now } from '../clock.ts'
import type { Pool, Request } from '../connection/pool.ts'
import type { Columns, Parameters, TimeLeft } from '../connection/query.ts'
import { codeOf, mismatch, type StoreError, sidRefused } from '../errors.ts'
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
import { userIndex } from './user-index.ts'

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

interface Sending<T> extends Omit<Request, 'text' | 'parameters'> {
  /** Chooses the statement. */
  pick(all: Statements): Statement
  parametersOf(statement: Statement): Parameters
  /** Turns the rows into the result. Throws STORE_MISMATCH if they are not those that were asked for. */
  read(rows: Columns[]): T
}

type TableSettings = Pick<
  Settings,
  'tableName' | 'schemaName' | 'createTableIfMissing' | 'timeoutMs' | 'userIdPath' | 'userIndex'
>

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
    const { length: size } = batch.keys
    return this.#send({
      verb,
      size,
      pick: (all) => (batch.skipsHeld ? { ...all, ...all.skipping } : all)[verb],
      parametersOf: (statement) => (time) => parametersOf(statement, batch, now(), time),
      until: batch.until,
      effectUntil: verb === 'get' ? batch.until : batch.effectUntil,
      isSplittable: size > 1,
      read: (rows) => answersOf(batch, rows),
    })
  }

  /** @throws StoreError */
  query(name: StatementName, values: ValuesByName, until: number = this.deadline()): Promise<Columns[]> {
    return this.queryAs(name, values, (rows) => rows, until)
  }

  /** Runs a statement that returns one row. @throws StoreError */
  queryOne(name: StatementName, values: ValuesByName, until: number = this.deadline()): Promise<Columns> {
    const onlyRow = ([row, ...others]: Columns[]) => {
      if (!row || others.length > 0) throw mismatch()
      return row
    }
    return this.queryAs(name, values, onlyRow, until)
  }

  /**
   * @param read turns the rows into the result; throws STORE_MISMATCH if they are not those that were asked
   *   for
   * @throws StoreError
   */
  queryAs<T>(
    name: StatementName,
    values: ValuesByName,
    read: (rows: Columns[]) => T,
    until: number = this.deadline(),
  ): Promise<T> {
    return this.queryBy(name, (all) => all[name], values, read, until)
  }

  /**
   * The same for a statement that has to be made first.
   * @param verb names it where statements are watched
   */
  queryBy<T>(
    verb: string,
    pick: (all: Statements) => Statement,
    values: ValuesByName,
    read: (rows: Columns[]) => T,
    until: number = this.deadline(),
  ): Promise<T> {
    return this.#send({
      verb,
      pick,
      parametersOf: ({ parameters }) => {
        return (time) => {
          const byName = values(time)
          return parameters.map((parameter) => String(byName[parameter]))
        }
      },
      until,
      read,
    })
  }

  /**
   * Sends a statement, and sends it again if the sids turn out to have another type than the statements were
   * made for.
   */
  async #send<T>(sending: Sending<T>): Promise<T> {
    const { pick, parametersOf, read, until, ...request } = sending
    if (this.#settings.createTableIfMissing) await this.#createOnce(until)
    const all = this.#statements
    const statement = pick(all)
    try {
      const { text } = statement
      return read(await this.#pool.query({ ...request, text, parameters: parametersOf(statement), until }))
    } catch (error) {
      const code = codeOf(error)
      // The table was dropped. The next operation creates it again, if that is wanted.
      if (code === UNDEFINED_TABLE) this.#created = undefined
      if (code === 'STORE_MISMATCH') this.#pool.replace()
      if (isOfSidType(code) || code === 'STORE_MISMATCH') {
        await this.#askSidType(until)
        if (this.#statements !== all) return this.#send(sending)
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
    const { text } = this.#statements.sidType
    const asked = this.#pool.query({ verb: 'sidType', text, parameters: none, until })
    const rows = await asked.catch(() => [])
    const sidType = sidTypeOf(this.#names, rows) ?? this.#sidType
    if (sidType === this.#sidType) return
    this.#sidType = sidType
    this.#statements = statements(this.#names, sidType)
  }

  /** Runs a statement that returns one number. */
  async count(name: StatementName, values: ValuesByName, until: number): Promise<number> {
    const [number] = await this.queryOne(name, values, until)
    return Number(number)
  }

  createTable(until: number = this.deadline()): Promise<void> {
    const run = (text: string) => this.#pool.query({ verb: 'createTable', text, parameters: none, until })
    const { userIndex: isIndexed, userIdPath } = this.#settings
    const more = isIndexed ? userIndex(this.#names, userIdPath).create : ''
    return createTable(this.#names, more, {
      exists: async () => (await run(this.#statements.exists.text))[0]?.[0] === 'true',
      create: run,
    })
  }

  /** Creates the table once. A failure is not remembered: the next operation tries again. */
  async #createOnce(until: number): Promise<void> {
    for (;;) {
      const isMine = !this.#created
      // In the background, because the promise is kept and must not keep the first request's async context
      // alive.
      this.#created ??= inBackground(() =>
        this.createTable(until).catch((error) => {
          this.#created = undefined
          throw error
        }),
      )
      try {
        return await this.#created
      } catch (error) {
        // Whoever began it may have had less time, as a health check has.
        if (isMine || codeOf(error) !== 'STORE_TIMEOUT') throw error
      }
    }
  }
}
