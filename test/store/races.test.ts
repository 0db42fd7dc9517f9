// Many at once on the same rows: locks, and the order of what one process issues.

import assert from 'node:assert/strict'
import fc from 'fast-check'
import { database, tableSql } from '../support/database.ts'
import { incumbent } from '../support/incumbent.ts'
import { gather, worker } from '../support/processes.ts'
import { promises } from '../support/promise.ts'
import { row, sessionOf, withStore } from '../support/store.ts'

const db = await database('races')
await db.sql.unsafe(tableSql)
// Before the store gives up waiting for a lock, so that no deadlock stays unseen.
const [{ name }] = (await db.sql`select current_database() as name`) as any
await db.sql.unsafe(`alter database "${name}" set deadlock_timeout = '5ms'`)
const test = promises('races')

const deadlocks = async () => {
  const [found] = await db.sql`select deadlocks::int from pg_stat_database where datname = current_database()`
  return found?.['deadlocks']
}

/** Eight processes that write, and two that prune. */
async function crowd(): Promise<void> {
  const failed = await gather([
    ...Array.from({ length: 8 }, () => worker('hot', { url: db.url })),
    ...Array.from({ length: 2 }, () => worker('hot', { url: db.url, prune: true })),
  ])
  assert.deepEqual(failed.flat(), [])
}

test(
  'eight processes write the same 50 sids while two prune: no operation fails, and there is no deadlock',
  async () => {
    await crowd()
    assert.equal(await deadlocks(), 0)
  },
  { seconds: 60 },
)

test(
  'the same while connect-pg-simple prunes, which takes locks in another order: no operation of ours fails',
  async () => {
    const theirs = incumbent(db.url)
    let ended = false
    const prunes = (async () => {
      while (!ended) {
        // One that is in a deadlock fails, and is not tried again.
        await theirs.prune().catch(() => {})
        await new Promise((resume) => setTimeout(resume, 10))
      }
    })()
    await crowd()
    ended = true
    await prunes
    await theirs.close()
  },
  { seconds: 60 },
)

test(
  'whatever is issued on a few sids without waiting: each row is as the last operation on it left it',
  () =>
    withStore({ conString: db.url }, async (store) => {
      let run = 0
      const verb = fc.constantFrom('set', 'touch', 'destroy', 'get', 'pause')
      const steps = fc.array(fc.tuple(verb, fc.nat({ max: 2 }), fc.integer({ min: 100, max: 100_000 })), {
        maxLength: 30,
      })
      await fc.assert(
        fc.asyncProperty(steps, async (sequence) => {
          run++
          // What the table would hold if each had waited for the one before.
          const model = new Map<string, { n: number; lasts: number }>()
          const issued: Promise<unknown>[] = []
          for (const [n, [what, number, lasts]] of sequence.entries()) {
            const sid = `run-${run}-${number}`
            const known = model.get(sid)
            if (what === 'pause') await new Promise((resume) => setImmediate(resume))
            else if (what === 'set') {
              issued.push(store.set(sid, sessionOf({ n }, lasts)))
              model.set(sid, { n, lasts })
            } else if (what === 'touch') {
              issued.push(store.touch(sid, sessionOf({}, lasts)))
              if (known) known.lasts = lasts
            } else if (what === 'destroy') {
              issued.push(store.destroy(sid))
              model.delete(sid)
            } else {
              const expected = known?.n
              const check = (found: any) => assert.equal(found?.n, expected, `a get among ${sequence}`)
              issued.push(store.get(sid).then(check))
            }
          }
          await Promise.all(issued)
          for (const number of [0, 1, 2]) {
            const expected = model.get(`run-${run}-${number}`)
            const found = await row(db.sql, `run-${run}-${number}`)
            assert.equal(found?.n, expected?.n)
            if (expected) assert.ok(Math.abs(found.inSeconds - expected.lasts) < 5)
          }
        }),
        { seed: 4, numRuns: 300 },
      )
    }),
  { seconds: 60 },
)

test('no connection is left behind', () => db.drop())
