// Deletes expired rows, a batch at a time, by the statements of the table. Promises that a refused row or a
// missing feature of the server is an answer, not an error. Must not know when batches are deleted, nor how
// many.

import { now } from '../clock.ts'
import { type Columns, isAnswer } from '../connection/query.ts'
import { codeOf } from '../errors.ts'
import { isOfARow, isUnsupported, LOCK_NOT_AVAILABLE } from '../sqlstate.ts'
import type { Deletes } from './pruner.ts'
import type { Table, Values } from './table.ts'

/** Whether the database refused to delete one of the rows. */
const isRefusal = (error: unknown) => isAnswer(error) && isOfARow(codeOf(error))

export function deletes(table: Table): Deletes {
  /** Whether the server has turned out to lack advisory locks. */
  let isPlain = false

  async function batch(values: Values): Promise<Columns[]> {
    if (!isPlain) {
      try {
        return await table.query('prune', values)
      } catch (error) {
        if (!isUnsupported(codeOf(error))) throw error
      }
    }
    const rows = await table.query('prunePlain', values)
    isPlain = true
    return rows
  }

  return {
    async oldest(limit, { from, skip }) {
      try {
        const [row = []] = await batch(() => ({ now: now(), limit, from, skip }))
        const [found, count, last, kept] = row
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
