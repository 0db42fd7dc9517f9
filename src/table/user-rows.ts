// A user's rows, and the index that finds them. Promises that the statements fit the column `sess`. Must not
// know session objects, nor who asks.

import { inBackground } from '../clock.ts'
import { noUserIndex } from '../errors.ts'
import type { Settings } from '../settings/settings.ts'
import { names } from './names.ts'
import { type Row, rowOf } from './row.ts'
import { type SessForm, sessFormOf } from './sess-form.ts'
import type { Table } from './table.ts'
import { type UserIndex, userIndex } from './user-index.ts'
import { userParameter } from './user-key.ts'

export class UserRows {
  readonly #table: Table
  readonly #settings: Pick<Settings, 'tableName' | 'schemaName' | 'userIdPath'>
  #form: Promise<SessForm> | undefined

  constructor(table: Table, settings: Pick<Settings, 'tableName' | 'schemaName' | 'userIdPath'>) {
    this.#table = table
    this.#settings = settings
  }

  /**
   * The rows in which the user's id may stand, the last to expire first.
   * @param aliveAt rows that expired before are left out
   */
  async find(id: string, aliveAt: number, until: number): Promise<Row[]> {
    const form = await this.#askForm(until)
    const { userIdPath } = this.#settings
    const values = () => ({ user: userParameter(id), now: aliveAt })
    return this.#table.queryBy(
      'ofUser',
      (all) => all.ofUser(userIdPath, form),
      values,
      (rows) => rows.map(rowOf),
      until,
    )
  }

  /** The index as it has to be for this table. @throws StoreError if it cannot have one */
  async index(until: number): Promise<UserIndex> {
    const form = await this.#askForm(until)
    if (form === 'old text') throw noUserIndex()
    const { tableName, schemaName, userIdPath } = this.#settings
    return userIndex(names(tableName, schemaName), userIdPath, form)
  }

  /** Asked once. A failure is not remembered. */
  #askForm(until: number): Promise<SessForm> {
    // In the background, because the promise is kept and must not keep the first request's async context
    // alive.
    this.#form ??= inBackground(() =>
      this.#table
        .query('sessForm', () => ({}), until)
        .then(sessFormOf, (error) => {
          this.#form = undefined
          throw error
        }),
    )
    return this.#form
  }
}
