// Minutes of work without a pause, and the heap that is alive before and after.

import { inside } from '../servers/process.js'
import { forOperation, ours } from '../subjects/roster.js'

export async function soak({ at, sql }, { plan, log }) {
  await sql`truncate session`
  const options = { ...plan.soak, concurrency: 256, rows: 2000, bytes: 300 }
  const use = async (tell) => {
    await tell('fill', options)
    return tell('soak', options)
  }
  const result = await inside(forOperation(ours(), 'get+touch'), at, use, ['--expose-gc'])
  log('soak')
  return [{ store: ours().name, ...result }]
}
