// Prunes until nothing is left, and tells which sids its listener was told of, and how many it has deleted.

import { Store } from '../support/store.ts'

const { url } = JSON.parse(process.argv[2] as string)
const store = new Store({ conString: url, pruneSessionInterval: false })
const told: string[] = []
store.on('expire', ({ sid }) => told.push(sid))

process.once('message', async () => {
  let count = 0
  // All but one are given 0 while that one works.
  for (let idle = 0; idle < 20; ) {
    const pruned = await store.pruneSessions()
    count += pruned
    idle = pruned ? 0 : idle + 1
    await new Promise((resume) => setTimeout(resume, 5))
  }
  process.send?.({ told, count })
})
process.once('disconnect', () => store.close())
process.send?.('ready')
