// A process that writes the same few sids as the others do, many at once, or prunes: for a while, and until
// it has done enough, however slow the machine is. Tells the codes of the operations that failed.

import { Store, sessionOf } from '../support/store.ts'

const { url, prune } = JSON.parse(process.argv[2] as string)
const store = new Store({ conString: url, pruneSessionInterval: false })
const enough = prune ? 20 : 400
const failed: string[] = []
let succeeded = 0
let until = 0

const pick = (count: number) => Math.floor(Math.random() * count)

async function write(): Promise<unknown> {
  const sid = `hot-${pick(50)}`
  // Some are born expired, so that there is something to prune among them.
  const session = sessionOf({ by: process.pid }, Math.random() < 0.2 ? -5 : 600)
  const kind = pick(10)
  if (kind < 4) return store.set(sid, session)
  if (kind < 6) return store.set(sid, Object.assign((await store.get(sid)) ?? session, { n: pick(1000) }))
  return kind < 9 ? store.touch(sid, session) : store.destroy(sid)
}

async function work(): Promise<void> {
  while (failed.length === 0 && (succeeded < enough || Date.now() < until)) {
    try {
      await (prune ? store.pruneSessions() : write())
      succeeded++
    } catch (error) {
      failed.push((error as { code: string }).code)
    }
  }
}

process.on('message', async (message) => {
  if (message !== 'go') return
  until = Date.now() + 1500
  await Promise.all(Array.from({ length: prune ? 1 : 40 }, work))
  process.send?.(failed)
})
process.once('disconnect', () => store.close())
process.send?.('ready')
