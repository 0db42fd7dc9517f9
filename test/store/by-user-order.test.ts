// The sessions of a user while other writes are under way: who waits for whom, and what comes before what.

import assert from 'node:assert/strict'
import type { SessionData } from 'express-session'
import { database, tableSql } from '../support/database.ts'
import { failure } from '../support/failure.ts'
import { promises } from '../support/promise.ts'
import { putRow, row, sessionOf, withStore } from '../support/store.ts'

const db = await database('by_user_order')
await db.sql.unsafe(tableSql)
const test = promises('by user, in order')
const at = { conString: db.url }

const of = (user: unknown, data: object = {}) => ({ passport: { user }, ...data })
const sidsLike = async (pattern: string): Promise<string[]> =>
  (await db.sql`select sid from session where sid like ${pattern} order by sid`).map(({ sid }) => sid)

/** Runs while somebody else has locked a row. */
const whileLocked = (sid: string, during: () => Promise<void>) =>
  db.sql.begin(async (holder) => {
    await holder`select from session where sid = ${sid} for update`
    await during()
  })

const slow = {
  stringify: async (session: SessionData) => {
    await new Promise((resume) => setTimeout(resume, 50))
    return JSON.stringify(session)
  },
  parse: JSON.parse,
}

test('a save that waits for a locked row of somebody else delays no call for another user, whatever stands in it', async () => {
  for (const extra of [{}, { onConflict: 'merge' }, { serializer: slow }] as const) {
    await withStore({ ...at, ...extra, timeout: 20 }, async (store) => {
      await putRow(db.sql, 'theirs', of('them'))
      await putRow(db.sql, 'mine', of(2))
      let saved: Promise<void> | undefined
      await whileLocked('theirs', async () => {
        const session = (await store.get('theirs')) as SessionData
        saved = store.set('theirs', Object.assign(session, { count: 2, text: 'a "quoted" 2', deep: of(2) }))
        assert.deepEqual(await store.idsByUser(2), ['mine'])
        assert.equal((await store.entriesByUser(2)).length, 1)
        assert.equal(await store.destroyByUser(2, { keep: 1 }), 0)
        assert.equal(await store.destroyByUser(2), 1)
      })
      await saved
      assert.deepEqual((await row(db.sql, 'theirs')).deep, of(2))
      await db.sql`delete from session`
    })
  }
})

test('a save that waits for a locked row of the user keeps none of the user’s other sessions alive', () =>
  withStore({ ...at, timeout: 1 }, async (store) => {
    for (const sid of ['stuck-1', 'stuck-2', 'stuck-3']) await putRow(db.sql, sid, of('stuck'))
    const told: unknown[] = []
    store.on('destroy', ({ sid }) => told.push(sid))
    await whileLocked('stuck-1', async () => {
      const session = (await store.get('stuck-1')) as SessionData
      const saved = failure(store.set('stuck-1', Object.assign(session, { n: 1 })))
      assert.equal((await failure(store.destroyByUser('stuck'))).code, 'STORE_TIMEOUT')
      assert.equal(((await saved) as { code: string }).code, 'STORE_TIMEOUT')
      assert.deepEqual(await sidsLike('stuck-%'), ['stuck-1'])
      assert.deepEqual(told.sort(), ['stuck-2', 'stuck-3'])
    })
    assert.equal(await store.destroyByUser('stuck'), 1)
  }))

test('what an earlier save makes the user’s is destroyed, and what it makes somebody else’s is not', () =>
  withStore(at, async (store) => {
    for (const sid of ['turn-1', 'turn-2']) await putRow(db.sql, sid, of('before'))
    await putRow(db.sql, 'turn-3', of('after'))
    let count: Promise<number> | undefined
    let issued: Promise<unknown> | undefined
    await whileLocked('turn-1', async () => {
      issued = Promise.all([
        store.set('turn-1', sessionOf(of('after'))),
        store.set('turn-3', sessionOf(of('before'))),
        store.touch('turn-2', sessionOf(of('before'))),
      ])
      count = store.destroyByUser('before')
    })
    await issued
    assert.equal(await count, 2)
    assert.deepEqual(await sidsLike('turn-%'), ['turn-1'])
    assert.equal(await store.destroyByUser('after'), 1)
  }))

test('`keep` chooses when all earlier saves have ended, among all sessions that there are then', () =>
  withStore(at, async (store) => {
    await putRow(db.sql, 'keep-1', of('keeper'), 100)
    await putRow(db.sql, 'keep-2', of('keeper'), 200)
    await putRow(db.sql, 'keep-3', of('somebody else'), 300)
    let count: Promise<number> | undefined
    await whileLocked('keep-3', async () => {
      void store.set('keep-3', sessionOf(of('keeper')))
      count = store.destroyByUser('keeper', { keep: 2 })
    })
    assert.equal(await count, 1)
    assert.deepEqual(await sidsLike('keep-%'), ['keep-2', 'keep-3'])
    assert.equal(await store.destroyByUser('keeper'), 2)
  }))

test('a session is destroyed also if an earlier save fails that was to make it somebody else’s', async () => {
  await db.sql.unsafe(
    `${tableSql.replaceAll('session', 'strict')}; alter table strict add check (sess->>'bad' is null)`,
  )
  await withStore({ ...at, tableName: 'strict' }, async (store) => {
    await putRow(db.sql, 'strict-1', of('ann'), 600, 'strict')
    const saved = failure(store.set('strict-1', sessionOf(of('somebody else', { bad: 1 }))))
    assert.equal(await store.destroyByUser('ann'), 1)
    assert.equal(((await saved) as { code: string }).code, '23514')
    assert.equal(await row(db.sql, 'strict-1', 'strict'), undefined)
  })
})

test('a session that is stored as a new one after the call survives it, however long the call takes', async () => {
  for (const options of [{}, { keep: 0 }, { keep: 1 }]) {
    await withStore(at, async (store) => {
      await putRow(db.sql, 'login-1', of('ann'), 100)
      await putRow(db.sql, 'login-2', of('ann'), 200)
      const calls: Promise<unknown>[] = []
      await whileLocked('login-1', async () => {
        const session = (await store.get('login-1')) as SessionData
        calls.push(store.set('login-1', Object.assign(session, { n: 1 })))
        // A new session whose first save came before the call is none that came after it.
        const early = sessionOf(of('ann'), 50)
        calls.push(store.set('login-early', early))
        calls.push(store.destroyByUser('ann', options))
        calls.push(store.set('login-early', early))
        calls.push(store.set('login-new', sessionOf(of('ann'), 300)))
        await calls.at(-1)
      })
      await Promise.all(calls)
      const left = await sidsLike('login-%')
      assert.ok(left.includes('login-new') && !left.includes('login-early'), `left: ${left}`)
      assert.ok(!left.includes('login-1') || 'keep' in options, `left: ${left}`)
      await db.sql`delete from session`
    })
  }
})

test('calls for one user act one after the other: of two logins at once that leave one session, one is left', () =>
  withStore(at, async (store) => {
    for (let round = 0; round < 20; round++) {
      const sids = ['twice-1', 'twice-2']
      const login = async (sid: string) => {
        await store.set(sid, sessionOf(of('twice')))
        return store.destroyByUser('twice', { except: sid, keep: 1 })
      }
      const counts = await Promise.all(sids.map(login))
      assert.deepEqual(counts.sort(), [0, 1])
      assert.equal((await sidsLike('twice-%')).length, 1)
      const destroyed = store.destroyByUser('twice')
      const seen = [store.idsByUser('twice'), store.entriesByUser('twice')]
      assert.deepEqual(await Promise.all([...seen, destroyed]), [[], [], 1])
    }
  }))

test('a call for a user that waits for a locked row keeps none of the user’s newer sessions alive, nor another user', () =>
  withStore(at, async (store) => {
    await putRow(db.sql, 'held-1', of('held'))
    let first: Promise<number> | undefined
    await whileLocked('held-1', async () => {
      first = store.destroyByUser('held', { keep: 0 })
      // It has found what it destroys.
      await db.sql`select pg_sleep(0.2)`
      await store.set('held-2', sessionOf(of('held')))
      const second = store.destroyByUser('held')
      while ((await sidsLike('held-%')).length > 1) await db.sql`select pg_sleep(0.02)`
      assert.deepEqual(await store.idsByUser('somebody else'), [])
      void second.catch(() => {})
    })
    assert.equal(await first, 1)
    assert.deepEqual(await sidsLike('held-%'), [])
  }))

test('a session that `maxLifetime` has ended is not listed, not counted and not kept', () =>
  withStore({ ...at, maxLifetime: 1000 }, async (store) => {
    const created = (secondsAgo: number) => ({
      'connect-postgres-simple:created': Math.floor(Date.now() / 1000) - secondsAgo,
    })
    // connect-pg-simple has moved the expiry of the first beyond its end.
    await putRow(db.sql, 'ended', of('bob', created(2000)), 5000)
    await putRow(db.sql, 'ends-soon', of('bob', created(900)), 4000)
    await putRow(db.sql, 'ends-last', of('bob', created(100)), 600)
    await putRow(db.sql, 'ends-first', of('bob', created(0)), 50)
    const entries = await store.entriesByUser('bob')
    const order = ['ends-last', 'ends-soon', 'ends-first']
    assert.deepEqual(
      entries.map(({ sid }) => sid),
      order,
    )
    assert.deepEqual(await store.idsByUser('bob'), order)
    assert.equal(await store.destroyByUser('bob', { keep: 2 }), 1)
    assert.deepEqual(await sidsLike('end%'), ['ends-last', 'ends-soon'])
  }))

test('at random: saves, touches, logouts and calls for a user leave what they would leave one after the other', async () => {
  const seed = Math.floor(Math.random() * 2 ** 31)
  console.log(`Seed ${seed}`)
  let state = seed
  const below = (end: number) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    return Math.floor((state / 2 ** 32) * end)
  }
  await db.sql`delete from session`
  for (const onConflict of ['overwrite', 'merge'] as const) {
    await withStore({ ...at, onConflict, userIdPath: ['user'] }, async (store) => {
      for (let round = 0; round < 100; round++) {
        const model = new Map<string, number>()
        const issued: Promise<void>[] = []
        for (let i = 0; i < 12; i++) {
          const sid = `random-${below(5)}`
          const user = below(3)
          const kind = below(6)
          if (kind < 3) {
            issued.push(store.set(sid, sessionOf({ user, i })))
            model.set(sid, user)
          } else if (kind === 3) {
            issued.push(store.touch(sid, sessionOf({ user }, 900)))
          } else if (kind === 4) {
            issued.push(store.destroy(sid))
            model.delete(sid)
          } else {
            const own = [...model].filter(([, each]) => each === user).map(([each]) => each)
            for (const each of own) model.delete(each)
            const count = store.destroyByUser(user)
            // What comes after the call is a session of its own.
            model.set(`random-new-${i}`, user)
            issued.push(store.set(`random-new-${i}`, sessionOf({ user })))
            assert.equal(await count, own.length, `round ${round}, seed ${seed}`)
          }
        }
        await Promise.all(issued)
        const left = await db.sql`select sid, (sess->>'user')::int as "user" from session order by sid`
        const wanted = [...model].sort(([one], [other]) => (one < other ? -1 : 1))
        assert.deepEqual(
          left.map(({ sid, user }) => [sid, user]),
          wanted,
          `round ${round}, seed ${seed}`,
        )
        await store.clear()
      }
    })
  }
})

test('no connection is left behind', () => db.drop())
