// Deletes expired rows, a batch at a time, by the statements of the table. Promises that a refused row or a
// missing feature of the server is an answer, not an error, and that deleted rows are read only for somebody
// who wants to know of them. Must not know when batches are deleted, nor how many.

import { now } from '../clock.ts'
import { type Columns, isStatementError } from '../connection/query.ts'
import { codeOf } from '../errors.ts'
import { isOfARow, isUnsupported, LOCK_NOT_AVAILABLE } from '../sqlstate.ts'
import { type DeletedRow, prunedOf, prunedPagesOf, prunedRowsOf } from '../table/pruning.ts'
import type { Table, ValuesByName } from '../table/table.ts'
import type { Deletes } from './prune.ts'

/** Whether the database refused to delete one of the rows. */
const isRefusal = (error: unknown) => isStatementError(error) && isOfARow(codeOf(error))

/** Who wants to know of the rows that were deleted. */
export interface Witness {
  /** Asked before each batch. If it does not, the rows are not read. */
  isPresent(): boolean
  /** Must not reject. */
  tell(rows: readonly DeletedRow[]): Promise<void>
}

// The texts of a batch that is read are in memory at once.
const MAX_READ = 100

export function deletes(table: Table, witness: Witness): Deletes {
  /** Whether the server has turned out to lack advisory locks. */
  let isPlain = false

  async function batch(values: ValuesByName, returns: boolean): Promise<Columns[]> {
    if (!isPlain) {
      try {
        return await table.query(returns ? 'pruneReturning' : 'prune', values)
      } catch (error) {
        if (!isUnsupported(codeOf(error))) throw error
      }
    }
    const rows = await table.query(returns ? 'prunePlainReturning' : 'prunePlain', values)
    isPlain = true
    return rows
  }

  return {
    get maxRows() {
      return witness.isPresent() ? MAX_READ : Number.POSITIVE_INFINITY
    },
    async oldest(limit, { from, skip }) {
      const returns = witness.isPresent()
      try {
        const rows = await batch(() => ({ now: now(), limit, from, skip }), returns)
        const { row = [], deletedRows } = returns ? prunedRowsOf(rows) : { row: rows[0], deletedRows: [] }
        await witness.tell(deletedRows)
        const { found, deleted, latest, kept } = prunedOf(row)
        const place = { from: latest ?? from, skip: kept + (latest === from || !latest ? skip : 0) }
        return { found, count: deleted, place }
      } catch (error) {
        if (isRefusal(error)) return { refused: error }
        throw error
      }
    },
    async next({ from, skip }) {
      const [row] = await table.query('pruneNext', () => ({ now: now(), from, skip }))
      const expiry = row?.[0] ?? from
      return { from: expiry, skip: expiry === from ? skip + 1 : 1 }
    },
    async onPages(from, upTo) {
      // It does not return what it deletes.
      if (witness.isPresent()) return { count: 0, isOurTurn: true, pages: 0 }
      const pages = () => ({ now: now(), from, upTo })
      try {
        const [row = []] = await table.query('prunePages', pages).catch((error) => {
          if (codeOf(error) === LOCK_NOT_AVAILABLE) return table.query('prunePagesUnlocked', pages)
          throw error
        })
        const { deleted, ...rest } = prunedPagesOf(row)
        return { count: deleted, ...rest }
      } catch (error) {
        if (!isUnsupported(codeOf(error)) && !isRefusal(error)) throw error
        return { count: 0, isOurTurn: false, pages: 0 }
      }
    },
  }
}
