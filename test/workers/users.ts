// An app with its users in a process of its own. It installs no handler for what escapes: that ends it, as it
// would end anybody's. Does what it is asked by messages.

import postgres from 'postgres'
import { type Load, load } from '../faults/load.ts'
import { Store } from '../support/store.ts'

const { options, instance } = JSON.parse(process.argv[2] as string)
const sql = instance && postgres(instance.url, { ...instance.options, onnotice() {} })
const store = new Store({ ...options, ...(sql && { postgres: sql }), errorLog() {} })
let users: Load | undefined

const asked: Record<string, (...values: any[]) => unknown> = {
  begin: async (count: number) => {
    users = await load(store, count)
  },
  recovered: (since) => users?.recovered(since),
  everybody: (times, what) => users?.everybody(times, what),
  report: () => users?.report,
  end: () => users?.end(),
  set: (sid, session) => store.set(sid, session),
  length: () => store.length(),
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
})
process.send?.('ready')
