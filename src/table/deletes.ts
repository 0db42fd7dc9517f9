// Deletes expired rows, a batch at a time, by the statements of the table. Promises that a refused row or a
// missing feature of the server is an answer, not an error, and that rows are read only for somebody who wants
// to know of them. Must not know when batches are deleted, nor how many.

import { now } from '../clock.ts'
import { type Columns, isAnswer } from '../connection/query.ts'
import { codeOf, mismatch } from '../errors.ts'
import { isOfARow, isUnsupported, LOCK_NOT_AVAILABLE } from '../sqlstate.ts'
import type { Deletes } from './pruner.ts'
import type { Table, Values } from './table.ts'

/** Whether the database refused to delete one of the rows. */
const isRefusal = (error: unknown) => isAnswer(error) && isOfARow(codeOf(error))

/** Who wants to know of the rows that were deleted. */
export interface Witness {
  /** Asked before each batch. If it does not, the rows are not read. */
  isPresent(): boolean
  /** Must not reject. */
  tell(rows: readonly (readonly [sid: string, text: string | null])[]): Promise<void>
}

// The texts of a batch that is read are in memory at once.
const MAX_READ = 100

export function deletes(table: Table, witness: Witness): Deletes {
  /** Whether the server has turned out to lack advisory locks. */
  let isPlain = false

  async function batch(values: Values, returns: boolean): Promise<Columns[]> {
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
        const [found, count, last, kept] = rows.find(([first]) => first !== null) ?? []
        if (returns) await witness.tell(deletedRows(rows, Number(count)))
        // If none was found, `last` is null.
        const place = { from: last ?? from, skip: Number(kept) + (last === from || !last ? skip : 0) }
        return { found: Number(found), count: Number(count), place }
      } catch (error) {
        if (isRefusal(error)) return { refused: error }
        throw error
      }
    },
    async next({ from, skip }) {
      const [row] = await table.query('pruneNext', () => ({ now: now(), from, skip }))
      const last = row?.[0] ?? from
      return { from: last, skip: last === from ? skip + 1 : 1 }
    },
    async onPages(from, upTo) {
      // It does not read what it deletes.
      if (witness.isPresent()) return { count: 0, isOurTurn: true, pages: 0 }
      const pages = () => ({ now: now(), from, upTo })
      const [row] = await table
        .query('prunePages', pages)
        .catch((error) => {
          if (codeOf(error) === LOCK_NOT_AVAILABLE) return table.query('prunePagesUnlocked', pages)
          throw error
        })
        .catch((error) => {
          if (!isUnsupported(codeOf(error)) && !isRefusal(error)) throw error
          return [['0', 'false', '0']]
        })
      return { count: Number(row?.[0]), isOurTurn: row?.[1] === 'true', pages: Number(row?.[2]) }
    },
  }
}

/** @throws StoreError STORE_MISMATCH if they are not as many as were deleted */
function deletedRows(rows: readonly Columns[], count: number): (readonly [string, string | null])[] {
  const deleted = rows.filter(([first]) => first === null)
  if (deleted.length !== count || deleted.some(({ 4: sid }) => typeof sid !== 'string')) throw mismatch()
  return deleted.map(({ 4: sid, 5: text = null }) => [sid as string, text])
}
