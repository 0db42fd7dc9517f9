// What a store has done, for the strip of counters below each service. Must not know how it is shown.

const counts = new WeakMap()

/** Counts the calls of a store's methods from now on. */
export function count(store) {
  const count = { operations: 0 }
  counts.set(store, count)
  for (const verb of ['get', 'set', 'touch', 'destroy']) {
    const method = store[verb]
    store[verb] = function (...args) {
      count.operations++
      return method.apply(this, args)
    }
  }
}

/** @returns {Record<string, number>} by name */
export function counters(store) {
  return counts.get(store)
}
