// Batches of expired rows, deleted by statements. Must not know when that is done, nor for how long.

import { codeOf, type Database, LOCKED, type Values } from './database.ts'
import type { Deletes } from './prune.ts'
import { type Columns, isAnswer } from './query.ts'
import { now } from './session.ts'

// 0A not supported, 42 not there: a view has no pages, nor has the table of a server that only speaks like PostgreSQL.
const NOT_POSSIBLE = /^(0A|42)/

// 25 a transaction, 26 a prepared statement, 3F a schema, 53 resources, 57 an operator's doing, XX a broken
// server. What else the server answers is about a row, which a foreign key or a trigger keeps.
const NOT_OF_A_ROW = /^(0A|25|26|3F|42|53|57|XX)/

const isRefusal = (error: unknown) => isAnswer(error) && !NOT_OF_A_ROW.test(codeOf(error))

export function deletes(database: Database): Deletes {
  let isPlain = false

  async function batch(values: Values): Promise<Columns[]> {
    if (!isPlain) {
      try {
        return await database.query('prune', values)
      } catch (error) {
        if (!NOT_POSSIBLE.test(codeOf(error))) throw error
      }
    }
    const rows = await database.query('prunePlain', values)
    isPlain = true
    return rows
  }

  return {
    async oldest(limit, { from, skip }) {
      try {
        const [row = []] = await batch(() => ({ now: now(), limit, from, skip }))
        const [found, count, last, kept] = row
        // None found: no last one either.
        const place = { from: last ?? from, skip: Number(kept) + (last === from || !last ? skip : 0) }
        return { found: Number(found), count: Number(count), place }
      } catch (error) {
        if (isRefusal(error)) return { refused: error }
        throw error
      }
    },
    async next({ from, skip }) {
      const [row] = await database.query('pruneNext', () => ({ now: now(), from, skip }))
      const last = row?.[0] ?? from
      return { from: last, skip: last === from ? skip + 1 : 1 }
    },
    async onPages(from, upTo) {
      const pages = () => ({ now: now(), from, upTo })
      const [row] = await database
        .query('prunePages', pages)
        .catch((error) => {
          if (codeOf(error) === LOCKED) return database.query('prunePagesUnlocked', pages)
          throw error
        })
        .catch((error) => {
          if (!NOT_POSSIBLE.test(codeOf(error)) && !isRefusal(error)) throw error
          return [['0', 'false', '0']]
        })
      return { count: Number(row?.[0]), mine: row?.[1] === 'true', pages: Number(row?.[2]) }
    },
  }
}
