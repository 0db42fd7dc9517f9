// Deletes expired rows, a batch at a time, by the statements of the table. Promises that a refused row or a
// missing feature of the server is a result, not an error. Must not know when batches are deleted, nor how
// many.

import { now } from '../clock.ts'
import { type Columns, isStatementError } from '../connection/query.ts'
import { codeOf } from '../errors.ts'
import { isOfARow, isUnsupported, LOCK_NOT_AVAILABLE } from '../sqlstate.ts'
import type { PrunedBatch, PrunedPages } from '../table/pruning.ts'
import type { Table, ValuesByName } from '../table/table.ts'
import type { Deletes } from './prune.ts'

/** Whether the database refused to delete one of the rows. */
const isRefusal = (error: unknown) => isStatementError(error) && isOfARow(codeOf(error))

export function deletes(table: Table): Deletes {
  /** Whether the server has turned out to lack advisory locks. */
  let isPlain = false

  async function batch(values: ValuesByName): Promise<Columns> {
    if (!isPlain) {
      try {
        return await table.queryOne('prune', values)
      } catch (error) {
        if (!isUnsupported(codeOf(error))) throw error
      }
    }
    const row = await table.queryOne('prunePlain', values)
    isPlain = true
    return row
  }

  return {
    async oldest(limit, { from, skip }) {
      try {
        const row = await batch(() => ({ now: now(), limit, from, skip }))
        const [found, deleted, latest, kept] = row as PrunedBatch
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
