// What a store has done, for the strip of counters below each service: this store's own statistics, and the same of
// connect-pg-simple, which has none. Must not know how they are shown.

/** @typedef {{ operations: number, statements: number, retries: number }} Counters */

/**
 * Counts what connect-pg-simple does: all its methods go through `query`, once each, and it tries nothing again.
 * @returns {() => Counters}
 */
export function countQueries(store) {
  let queries = 0
  const { query } = store
  store.query = (...args) => {
    queries++
    return query.apply(store, args)
  }
  return () => ({ operations: queries, statements: queries, retries: 0 })
}

/**
 * @param {import('connect-postgres-simple').PostgresStore} store
 * @returns {() => Counters}
 */
export function ownStatistics(store) {
  return () => {
    const { operations, statements, retries } = store.stats()
    return {
      operations: Object.values(operations).reduce((sum, calls) => sum + calls, 0),
      statements,
      retries,
    }
  }
}

/** @returns {Counters} of several stores, those that are there */
export function sum(...of) {
  const total = { operations: 0, statements: 0, retries: 0 }
  for (const counters of of) for (const name of Object.keys(total)) total[name] += counters?.[name] ?? 0
  return total
}
