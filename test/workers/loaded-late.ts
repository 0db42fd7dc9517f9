// An app that loads the store in the middle of a request, as a route that is loaded when it is first asked
// for does.

import { AsyncLocalStorage } from 'node:async_hooks'

const requests = new AsyncLocalStorage<string>()
const others = new AsyncLocalStorage<{ of: string }>()

await requests.run('first', () =>
  others.run({ of: 'first' }, async () => {
    const { Store, sessionOf } = await import('../support/store.ts')
    // The store holds no process for its timers.
    const held = setTimeout(() => {}, 10_000)
    const store = new Store({
      conString: process.env['URL'] as string,
      tableName: 'absent',
      pruneSessionInterval: 0.02,
      errorLog() {
        console.log(`in the background: ${requests.getStore()} ${others.getStore()}`)
        clearTimeout(held)
        void store.close()
      },
    })
    await requests.run('second', () =>
      store.set('a', sessionOf()).catch(() => console.log(`in the request: ${requests.getStore()}`)),
    )
  }),
)
