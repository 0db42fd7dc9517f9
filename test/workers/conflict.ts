// Several requests for each session, each of which loads it, adds a key of its own and saves it after a
// random delay. Tells which keys were stored and which were refused.

import type { SessionData } from 'express-session'
import { Store } from '../support/store.ts'

const { url, onConflict, keys } = JSON.parse(process.argv[2] as string)
const store = new Store({ conString: url, onConflict, pruneSessionInterval: false })
const requests: { sid: string; key: string; session: SessionData }[] = []

const verbs: Record<string, (sids: string[]) => Promise<unknown>> = {
  async load(sids) {
    await Promise.all(
      sids.flatMap((sid) =>
        (keys as string[]).map(async (key) => {
          requests.push({ sid, key, session: (await store.get(sid)) as SessionData })
        }),
      ),
    )
  },
  async save() {
    const answer = { stored: [] as [string, string][], refused: 0 }
    await Promise.all(
      requests.splice(0).map(async ({ sid, key, session }) => {
        await new Promise((resume) => setTimeout(resume, Math.random() * 1000))
        Object.assign(session, { [key]: key })
        delete (session as any).doomed
        try {
          await store.set(sid, session)
          answer.stored.push([sid, key])
        } catch (error) {
          if ((error as { code?: string }).code !== 'STORE_CONFLICT') throw error
          answer.refused++
        }
      }),
    )
    return answer
  },
}

process.on('message', async ({ verb, sids }: { verb: string; sids: string[] }) => {
  process.send?.((await verbs[verb]?.(sids)) ?? 'done')
})
process.once('disconnect', () => store.close())
process.send?.('ready')
