// Loads and saves sessions, or destroys those of users, each after a random delay. `saver` uses this store or
// connect-pg-simple. Tells when each operation began and ended, by the clock of the machine.

import type { SessionData } from 'express-session'
import { incumbent } from '../support/incumbent.ts'
import { Store } from '../support/store.ts'

const { url, saver } = JSON.parse(process.argv[2] as string)
// A machine that stands still for some seconds must not end an operation.
const ours = new Store({ conString: url, pruneSessionInterval: false, timeout: 60 })
const theirs = incumbent(url)
const store = saver === 'theirs' ? theirs : ours
const loaded = new Map<string, SessionData>()

const verbs: Record<string, (sid: string) => Promise<unknown>> = {
  async load(sid) {
    loaded.set(sid, (await store.get(sid)) as SessionData)
  },
  save: (sid) => store.set(sid, Object.assign(loaded.get(sid) as SessionData, { savedBy: saver })),
  // The sid is that of the user's only session: see the test.
  destroyByUser: (sid) => ours.destroyByUser(`user of ${sid}`),
}

process.on('message', async ({ verb, sids }: { verb: string; sids: string[] }) => {
  const times = await Promise.all(
    sids.map(async (sid) => {
      await new Promise((resume) => setTimeout(resume, Math.random() * 2000))
      const began = Date.now()
      const result = await verbs[verb]?.(sid).catch(({ code }) => `failed: ${code}`)
      return { began, ended: Date.now(), result }
    }),
  )
  process.send?.(times)
})
process.once('disconnect', () => Promise.all([ours.close(), theirs.close()]))
process.send?.('ready')
