// Counts how often functions are called, by V8's coverage, which no machine's speed changes.

import { Session } from 'node:inspector/promises'

/** Where the functions are, by the name of the count. */
const PLACES = { storeCalls: '/dist/', driverCalls: '/node_modules/postgres/' }

export async function callCounter() {
  const session = new Session()
  session.connect()
  await session.post('Profiler.enable')
  await session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: false })
  /** @returns {Promise<Record<string, number>>} since it was asked last */
  return async () => {
    const { result } = await session.post('Profiler.takePreciseCoverage')
    const sum = (place) =>
      result
        .filter(({ url }) => url.includes(place))
        .flatMap(({ functions }) => functions.map(({ ranges }) => ranges[0].count))
        .reduce((all, count) => all + count, 0)
    return Object.fromEntries(Object.entries(PLACES).map(([name, place]) => [name, sum(place)]))
  }
}
