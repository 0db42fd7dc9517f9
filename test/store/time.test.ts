// Time as apps and their tests know it: clocks that are set, fake clocks, an event loop that stands still,
// and the moment in which a session ends.

import assert from 'node:assert/strict'
import FakeTimers from '@sinonjs/fake-timers'
import type { SessionData } from 'express-session'
import { database, tableSql } from '../support/database.ts'
import { failure } from '../support/failure.ts'
import { incumbent } from '../support/incumbent.ts'
import { promises } from '../support/promise.ts'
import { backends, endless, putRow, row, sessionOf, withStore } from '../support/store.ts'

const db = await database('time')
await db.sql.unsafe(tableSql)
const test = promises('time')
const at = { conString: db.url }
const real = { Date, setTimeout, now: performance.now.bind(performance) }
const sleep = (ms: number) => new Promise((resume) => real.setTimeout(resume, ms))

/** The wall clock is off by so much while `use` runs. */
async function clockSetBy<T>(ms: number, use: (to: (ms: number) => void) => Promise<T>): Promise<T> {
  let by = ms
  const { now } = Date
  Date.now = () => now() + by
  try {
    return await use((next) => {
      by = next
    })
  } finally {
    Date.now = now
  }
}

const held = async <T>(sid: string, use: () => Promise<T>): Promise<T> => {
  let result: T | undefined
  await db.sql.begin(async (holder) => {
    await holder`select from session where sid = ${sid} for update`
    result = await use()
  })
  return result as T
}

test('a clock that is set back does not make a timeout later, nor one set forward sooner', () =>
  withStore({ ...at, timeout: 2 }, async (store) => {
    await putRow(db.sql, 'held', { n: 0 })
    for (const ms of [-20_000, 20_000]) {
      await held('held', async () => {
        const began = real.now()
        const late = failure(store.set('held', sessionOf({ n: 1 })))
        await sleep(100)
        await clockSetBy(ms, async () => {
          // What is new, and what is under way.
          const all = Array.from({ length: 50 }, (_, i) => store.set(`clock-${i}`, endless()))
          await Promise.all(all)
          assert.equal((await late).code, 'STORE_TIMEOUT')
        })
        const took = real.now() - began
        assert.ok(took >= 1950 && took < 10_000, `took ${took} ms with the clock set by ${ms}`)
      })
    }
    assert.equal((await row(db.sql, 'held')).n, 0)
  }))

test('a clock set forward in the middle fails no operation that waits for the server', () =>
  withStore(at, async (store) => {
    await putRow(db.sql, 'held-2', { n: 0 })
    let waiting: Promise<unknown>[] = []
    await clockSetBy(0, (to) =>
      held('held-2', async () => {
        waiting = Array.from({ length: 50 }, (_, i) =>
          store.set(i ? `step-${i}` : 'held-2', sessionOf({ n: i + 1 })),
        )
        await sleep(50)
        to(3_600_000)
        await sleep(150)
      }),
    )
    await Promise.all(waiting)
    assert.equal((await row(db.sql, 'held-2')).n, 1)
  }))

const fakes = {
  'the date only': { toFake: ['Date'] as const },
  'the date only, of long ago': { toFake: ['Date'] as const, now: Date.parse('2001-02-03T04:05:06Z') },
  'all but nextTick and setImmediate': {
    toNotFake: ['nextTick', 'setImmediate', 'clearImmediate', 'queueMicrotask'] as const,
  },
  'all but nextTick and setImmediate, of long ago': {
    toNotFake: ['nextTick', 'setImmediate', 'clearImmediate', 'queueMicrotask'] as const,
    now: Date.parse('2001-02-03T04:05:06Z'),
  },
}
for (const [what, config] of Object.entries(fakes)) {
  test(`a fake clock (${what}): all verbs work, its hours pass, and nothing is stuck afterwards`, () =>
    withStore({ ...at, timeout: 1.5, ttl: 3600 }, async (store) => {
      await db.sql`truncate session`
      const clock = FakeTimers.install({ now: Date.now(), ...config } as object)
      try {
        // The first connection is opened under the fake clock.
        await store.set('a', endless({ n: 1 }))
        assert.equal(((await store.get('a')) as any).n, 1)
        await store.touch('a', endless())
        assert.equal(await store.length(), 1)
        clock.tick(1800 * 1000)
        assert.ok(await store.get('a'))
        clock.tick(1801 * 1000)
        assert.equal(await store.get('a'), null, 'it expires by the clock of the test')
        // A connection that the server closes meanwhile.
        await db.sql`select pg_terminate_backend(pid) from unnest(${await backends(db.sql)}::int[]) pid`
        await store.set('b', endless({ n: 2 }))
        await putRow(db.sql, 'stuck', { n: 0 })
        await held('stuck', async () => {
          const late = store.set('stuck', endless({ n: 1 }))
          assert.equal((await failure(late)).code, 'STORE_TIMEOUT', 'it ends by real time')
        })
        void store.set('on-its-way', endless({ n: 3 }))
      } finally {
        clock.uninstall()
      }
      await store.set('stuck', sessionOf({ n: 2 }))
      assert.equal((await row(db.sql, 'stuck')).n, 2)
      await store.set('on-its-way', sessionOf({ n: 4 }))
      assert.equal((await row(db.sql, 'on-its-way')).n, 4)
      await Promise.all(Array.from({ length: 20 }, (_, i) => store.set(`after-${i}`, sessionOf())))
      await store.destroy('a')
      assert.equal(await row(db.sql, 'a'), undefined)
    }))
}

test('fake timers that replace setImmediate too stop no open connection, and leave the real ones whole', () =>
  withStore({ ...at, timeout: 2 }, (warm) =>
    withStore({ ...at, timeout: 2, errorLog() {} }, async (fresh) => {
      await warm.set('warm', sessionOf())
      await warm.get('warm')
      const clock = FakeTimers.install({
        now: Date.now(),
        toNotFake: ['nextTick', 'queueMicrotask'],
      } as object)
      try {
        await warm.set('all-fake', sessionOf({ n: 1 }))
        assert.equal(((await warm.get('all-fake')) as any).n, 1)
        // The driver writes its first words by the global setImmediate.
        assert.equal((await failure(fresh.get('all-fake'))).code, 'STORE_TIMEOUT')
      } finally {
        clock.uninstall()
      }
      await new Promise((resume) => setImmediate(resume))
      for (const store of [warm, fresh]) assert.equal(((await store.get('all-fake')) as any).n, 1)
      await new Promise((resume) => setImmediate(resume))
    }),
  ))

test('an answer that came while the event loop stood still is taken, also after its deadline', async () => {
  // Slow enough that both are seen at work before the event loop stops.
  await db.sql`create view slow as select sid, sess, expire from session, pg_sleep(1)`
  const atWork = () => db.sql`
    select from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'`
  await withStore({ ...at, tableName: 'slow', timeout: 3 }, async (store) => {
    await putRow(db.sql, 'asked', { n: 7 })
    const answers = Promise.all([store.get('asked'), store.length()])
    while ((await atWork()).length < 2) await sleep(10)
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 3500)
    const [session] = await answers
    assert.equal((session as any).n, 7)
  })
  await db.sql`drop view slow`
})

test('a session ends by the milliseconds of its cookie, though its row has whole seconds, for get and all', () =>
  withStore(at, async (store) => {
    await db.sql`truncate session`
    const theirs = incumbent(db.url)
    // The clock of the process stands still, as far from the end of a second as can be.
    const now = Math.ceil(Date.now() / 1000) * 1000 + 20
    const clock = FakeTimers.install({ now, toFake: ['Date'] })
    try {
      for (const by of [store, theirs]) {
        const session = sessionOf({}, 0.3)
        await by.set('short', session)
        const { expires } = session.cookie
        const [{ expire }] = (await db.sql`
        select extract(epoch from expire::timestamptz)::float8 as expire from session where sid = 'short'`) as any
        assert.equal(expire, Math.ceil(Number(expires) / 1000), 'the row has what connect-pg-simple writes')
        const found = (await store.get('short')) as SessionData
        assert.equal(Number(new Date(found.cookie.expires as any)), Number(expires))
        assert.equal((await store.all()).length, 1)
        clock.tick(Number(expires) - Date.now() + 5)
        assert.ok(Date.now() < expire * 1000, 'the row is alive still')
        assert.equal(await store.get('short'), null)
        assert.deepEqual(await store.all(), [])
        await db.sql`truncate session`
        clock.tick(1000 - 305)
      }
    } finally {
      clock.uninstall()
      await theirs.close()
    }
  }))

test('where the row was touched, its own expiry decides', () =>
  withStore(at, async (store) => {
    const session = sessionOf({}, 0.2)
    await store.set('touched', session)
    await db.sql`update session set expire = expire + interval '1 hour' where sid = 'touched'`
    await sleep(250)
    const found = (await store.get('touched')) as SessionData
    assert.ok(Number(new Date(found.cookie.expires as any)) > Date.now() + 3_000_000)
  }))

test('no connection is left behind', () => db.drop())
