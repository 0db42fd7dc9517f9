// An app whose process is stopped, as those of Lambda, Cloud Run and laptops are, and that has a request at
// hand when it goes on: it comes before any timer.

import { Store, sessionOf } from '../support/store.ts'

const { conObject } = JSON.parse(process.argv[2] as string)
const store = new Store({ conObject, pruneSessionInterval: false, errorLog() {} })
const say = (message: unknown) => process.send?.(message as string)

process.on('message', async () => {
  say(process.pid)
  // Parted from what comes next by nothing.
  process.kill(process.pid, 'SIGSTOP')
  const thawed = performance.now()
  await store.get('frozen').then(
    (session) => say({ found: Boolean(session), ms: performance.now() - thawed }),
    ({ code }) => say({ code, ms: performance.now() - thawed }),
  )
})
process.once('disconnect', () => void store.close())
await store.set('frozen', sessionOf())
say('ready')
