// Deletes expired rows, a batch at a time, by the statements of the table. Promises that a refused row or a
// missing feature of the server is a result, not an error, and that deleted rows are read only for somebody
// who wants to know of them. Must not know when batches are deleted, nor how many.

import { now } from '../clock.ts'
import { isStatementError } from '../connection/query.ts'
import { codeOf } from '../errors.ts'
import { isOfARow, isUnsupported, LOCK_NOT_AVAILABLE } from '../sqlstate.ts'
import { type DeletedRow, type PrunedPages, readPruned } from '../table/pruning.ts'
import type { StatementName } from '../table/statements.ts'
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

  async function deleteBatch(values: ValuesByName, returns: boolean): Promise<ReturnType<typeof readPruned>> {
    const run = (name: StatementName) => table.queryAs(name, values, (rows) => readPruned(rows, returns))
    if (!isPlain) {
      try {
        return await run(returns ? 'pruneReturning' : 'prune')
      } catch (error) {
        if (!isUnsupported(codeOf(error))) throw error
      }
    }
    const pruned = await run(returns ? 'prunePlainReturning' : 'prunePlain')
    isPlain = true
    return pruned
  }

  return {
    get maxRows() {
      return witness.isPresent() ? MAX_READ : Number.POSITIVE_INFINITY
    },
    async oldest(limit, { from, skip }) {
      try {
        const values = () => ({ now: now(), limit, from, skip })
        const { batch, deletedRows } = await deleteBatch(values, witness.isPresent())
        await witness.tell(deletedRows)
        const [found, deleted, latest, kept] = batch
        const place = { from: latest ?? from, skip: Number(kept) + (latest === from || !latest ? skip : 0) }
        return { found: Number(found), count: Number(deleted), place }
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
      const values = () => ({ now: now(), from, upTo })
      try {
        const row = await table.queryOne('prunePages', values).catch((error) => {
          if (codeOf(error) === LOCK_NOT_AVAILABLE) return table.queryOne('prunePagesUnlocked', values)
          throw error
        })
        const [deleted, isOurTurn, pages] = row as PrunedPages
        return { count: Number(deleted), isOurTurn: isOurTurn === 'true', pages: Number(pages) }
      } catch (error) {
        if (!isUnsupported(codeOf(error)) && !isRefusal(error)) throw error
        return { count: 0, isOurTurn: false, pages: 0 }
      }
    },
  }
}
