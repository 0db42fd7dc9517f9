// An app with its users in a process of its own. It installs no handler for what escapes: that ends it, as it
// would end anybody's. Does what it is asked by messages.

import postgres from 'postgres'
import { type Crowd, type Load, load } from '../faults/load.ts'
import { watchMachine } from '../support/stall.ts'
import { Store, sessionOf } from '../support/store.ts'

const { options, instance } = JSON.parse(process.argv[2] as string)
const sql = instance && postgres(instance.url, { ...instance.options, onnotice() {} })
const store = new Store({ ...options, ...(sql && { postgres: sql }), errorLog() {} })
let users: Load | undefined
const machine = await watchMachine()

const asked: Record<string, (...values: any[]) => unknown> = {
  begin: async (crowd: Crowd) => {
    users = await load(store, crowd)
  },
  allSucceed,
  stalledMs: () => machine.stalledMs(),
  recovered: (since) => users?.recovered(since),
  everybody: (times, what) => users?.everybody(times, what),
  report: () => ({ ...users?.report, stalledMs: machine.totalMs }),
  end: () => users?.end(),
  set: (sid, session) => store.set(sid, session),
  length: () => store.length(),
}

/** One after the other, so that they are not all in the first batch, and on all lanes. */
async function allSucceed(count: number): Promise<void> {
  const all: Promise<Error | undefined>[] = []
  for (let i = 0; i < count; i++) {
    const sid = `after-${i}`
    const work = i % 2 ? store.get(sid) : store.set(sid, sessionOf({ user: 'after' }))
    all.push(
      work.then(
        () => undefined,
        (error) => error,
      ),
    )
    await new Promise((resume) => setImmediate(resume))
  }
  for (const error of await Promise.all(all)) if (error) throw error
}

process.on('message', async ({ id, ask, values }: { id: number; ask: string; values: unknown[] }) => {
  const answer = async () => asked[ask]?.(...values)
  await answer().then(
    (value) => process.send?.({ id, value }),
    ({ name, code, message }) => process.send?.({ id, error: { name, code, message } }),
  )
})
process.once('disconnect', async () => {
  // Who has gone without a word does not end them.
  await users?.end()
  await store.close()
  await sql?.end()
  await machine.end()
})
process.send?.('ready')
