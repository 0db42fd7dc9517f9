// A process that writes the same few sids as the others do, many at once, or prunes, until it is told to
// stop. Tells how many operations succeeded, and the codes of those that failed.

import { Store, sessionOf } from '../support/store.ts'

const { url, prune } = JSON.parse(process.argv[2] as string)
const store = new Store({ conString: url, pruneSessionInterval: false })
const told = { succeeded: 0, failed: [] as string[] }
let ended = false

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
  while (!ended) {
    try {
      await (prune ? store.pruneSessions() : write())
      told.succeeded++
    } catch (error) {
      told.failed.push((error as { code: string }).code)
    }
  }
}

process.on('message', async (message) => {
  if (message !== 'go') return
  setTimeout(() => {
    ended = true
  }, 4000)
  await Promise.all(Array.from({ length: prune ? 1 : 40 }, work))
  process.send?.(told)
})
process.once('disconnect', () => store.close())
process.send?.('ready')
