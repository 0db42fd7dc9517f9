// Callbacks that throw: counts how often each is called, and how many exceptions reach the process.

import { Store, sessionOf } from '../support/store.ts'

const store = new Store({ conString: process.env['URL_OF_TEST'] as string })
const calls = { get: 0, set: 0, touch: 0, uncaught: 0 }
process.on('uncaughtException', (_error, origin) => {
  // Not a rejection: it was thrown from where the app can expect it, a callback of its own.
  if (origin === 'uncaughtException') calls.uncaught++
})

const throwing = (verb: 'get' | 'set' | 'touch') => () => {
  calls[verb]++
  throw new Error(`of the app, in ${verb}`)
}
store.get('throws', throwing('get'))
store.set('other', sessionOf(), throwing('set'))
store.touch('throws', sessionOf(), throwing('touch'))
setTimeout(async () => {
  await store.close()
  console.log(
    `calls: ${Object.entries(calls)
      .map((each) => each.join('='))
      .join(' ')}`,
  )
}, 500)
