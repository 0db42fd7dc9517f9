// Batches of expired rows, deleted by statements. Must not know when that is done, nor for how long.

import { codeOf, type Database, LOCKED } from './database.ts'
import type { Deletes } from './prune.ts'
import { now } from './session.ts'

// 0A not supported, 42 not there: a view has no pages, nor has the table of a server that only speaks like PostgreSQL.
const NOT_POSSIBLE = /^(0A|42)/

export function deletes(database: Database): Deletes {
  return {
    async oldest(limit, from) {
      const [row] = await database.query('prune', () => ({ now: now(), limit, from }))
      return { count: Number(row?.[0]), last: row?.[1] ?? '' }
    },
    async onPages(from, upTo) {
      const pages = () => ({ now: now(), from, upTo })
      const [row] = await database.query('prunePages', pages).catch((error) => {
        if (codeOf(error) === LOCKED) return database.query('prunePagesUnlocked', pages)
        if (NOT_POSSIBLE.test(codeOf(error))) return [['0', 'false', '0']]
        throw error
      })
      return { count: Number(row?.[0]), mine: row?.[1] === 'true', pages: Number(row?.[2]) }
    },
  }
}
