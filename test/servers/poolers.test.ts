// Every verb through PgBouncer, in each of its modes, with fewer connections to the server than to itself.

import assert from 'node:assert/strict'
import postgres from 'postgres'
import { database } from '../support/database.ts'
import { noPooler, startPooler } from '../support/pgbouncer.ts'
import { promises } from '../support/promise.ts'
import { sessionOf, withStore } from '../support/store.ts'

const test = promises('poolers')

for (const mode of ['session', 'transaction', 'statement'] as const) {
  for (const prepare of [true, false]) {
    test(
      `every verb works through PgBouncer in ${mode} mode, ${prepare ? 'with' : 'without'} prepared statements`,
      async () => {
        const db = await database(`pooler_${mode}_${prepare}`)
        // In session mode a connection of the store is one of the server.
        const pooler = await startPooler(db.url, mode === 'session' ? 4 : 2, undefined, mode)
        const instance = postgres(pooler.url, { prepare, max: 1 })
        try {
          await withStore(
            { postgres: instance, createTableIfMissing: true, onConflict: 'merge' },
            async (store) => {
              const sids = Array.from({ length: 200 }, (_, n) => `sid-${n}`)
              await Promise.all(sids.map((sid, n) => store.set(sid, sessionOf({ n }))))
              for (let round = 0; round < 5; round++) {
                const found = await Promise.all(sids.map((sid) => store.get(sid)))
                assert.deepEqual(
                  found.map((session: any) => session.n),
                  sids.map((_, n) => n),
                )
                await Promise.all(sids.map((sid) => store.touch(sid, sessionOf())))
              }
              const [one, other] = (await Promise.all([store.get('sid-1'), store.get('sid-1')])) as any[]
              await store.set('sid-1', Object.assign(one, { a: 1 }))
              await store.set('sid-1', Object.assign(other, { b: 2 }))
              const { a, b } = (await store.get('sid-1')) as any
              assert.deepEqual([a, b], [1, 2])
              await store.destroy('sid-0')
              await store.set('old', sessionOf({}, -60))
              assert.equal(await store.pruneSessions(), 1)
              assert.equal(await store.length(), 199)
              assert.equal((await store.ids()).length, 199)
              assert.equal((await store.all()).length, 199)
              await store.clear()
              assert.equal(await store.length(), 0)
            },
          )
        } finally {
          await instance.end()
          await pooler.stop()
          await db.drop()
        }
      },
      { seconds: 60, skip: noPooler() },
    )
  }
}
