// A process that has just started: how long it takes to import a store, and until that has answered for the
// first time.

import { performance } from 'node:perf_hooks'
import { answer } from './answer.js'

const { subject, at } = JSON.parse(process.argv[2])

/** What is loaded besides express-session, by kind of subject. */
const PACKAGES = {
  'connect-postgres-simple': ['../../dist/index.js'],
  'connect-pg-simple': ['connect-pg-simple', 'pg'],
  'connect-session-knex': ['connect-session-knex', 'knex', 'pg'],
  'connect-redis': ['connect-redis', subject.options.client],
}

answer({
  async measure() {
    const began = performance.now()
    const { open } = await import('../subjects/open.js')
    const hasSession = performance.now()
    await Promise.all(PACKAGES[subject.kind].map((name) => import(name)))
    const hasStore = performance.now()
    const { store, close } = await open[subject.kind](at, subject.options)
    await new Promise((resolve, reject) =>
      store.get('nobody', (error) => (error ? reject(error) : resolve(undefined))),
    )
    const hasAnswer = performance.now()
    await close()
    return { sessionMs: hasSession - began, importMs: hasStore - hasSession, firstMs: hasAnswer - hasStore }
  },
  async close() {},
})
