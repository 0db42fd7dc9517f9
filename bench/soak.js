// Minutes of work without a pause, and the heap that is alive before and after.

import { number, table } from './figures.js'
import { inside } from './store-level.js'

export async function soak({ at, sql }, { quick, log }) {
  await sql`truncate session`
  const minutes = quick ? 1 : 10
  const options = { minutes, concurrency: 256, rows: 2000, bytes: 300 }
  const use = async (tell) => {
    await tell('fill', options)
    return tell('soak', options)
  }
  const result = await inside('connect-postgres-simple', at, use, { execArgv: ['--expose-gc'] })
  log('soak')
  return result
}

export function soakSection({ concurrency, heap, count }) {
  const mb = (bytes) => (bytes / 1e6).toFixed(2)
  return [
    `${heap.length - 1} minutes with ${concurrency} users at once, each of whom gets and touches a session, stores a new one and ` +
      `destroys it: ${number(count)} rounds of that. Live heap in MB, each time after a full garbage collection:`,
    '',
    ...table(
      heap.map((_, minute) => (minute === 0 ? 'start' : `${minute} min`)),
      [heap.map(mb)],
    ),
  ]
}
