// Loads, saves or destroys sessions, each after a random delay, and tells how many of them succeeded.

import type { SessionData } from 'express-session'
import { Store } from '../support/store.ts'

const { url } = JSON.parse(process.argv[2] as string)
const store = new Store({ conString: url, pruneSessionInterval: false })
const loaded = new Map<string, SessionData>()

const verbs: Record<string, (sid: string) => Promise<void>> = {
  async load(sid) {
    loaded.set(sid, (await store.get(sid)) as SessionData)
  },
  async save(sid) {
    await store.set(sid, Object.assign(loaded.get(sid) as SessionData, { saved: Date.now() }))
  },
  destroy: (sid) => store.destroy(sid),
}

process.on('message', async ({ verb, sids }: { verb: string; sids: string[] }) => {
  const results = await Promise.allSettled(
    sids.map(async (sid) => {
      await new Promise((resume) => setTimeout(resume, Math.random() * 1000))
      await verbs[verb]?.(sid)
    }),
  )
  process.send?.(results.filter(({ status }) => status === 'fulfilled').length)
})
process.once('disconnect', () => store.close())
process.send?.('ready')
