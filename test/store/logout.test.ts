// A logout stays a logout, however late the request that saves.

import assert from 'node:assert/strict'
import type { SessionData } from 'express-session'
import type { PostgresStore } from '../../src/index.ts'
import { database, tableSql } from '../support/database.ts'
import { worker } from '../support/processes.ts'
import { promises } from '../support/promise.ts'
import { putRow, row, sessionOf, withStore } from '../support/store.ts'

const db = await database('logout')
await db.sql.unsafe(tableSql)
const test = promises('logout')
const at = { conString: db.url }
const modes = (['overwrite', 'merge', 'error'] as const).map((onConflict) => ({ ...at, onConflict }))

/** As express-session makes it for a request without one. */
const begun = (store: PostgresStore, sid: string, data: object = {}): any =>
  store.createSession({ sessionID: sid, sessionStore: store } as any, sessionOf(data))
const rowsLike = async (pattern: string): Promise<string[]> =>
  (await db.sql`select sid from session where sid like ${pattern} order by sid`).map(({ sid }) => sid)

test('a loaded session that was destroyed elsewhere is not brought back by a save, which succeeds', () =>
  withStore(at, async (store) => {
    await putRow(db.sql, 'out', { user: 'ann' })
    const session = (await store.get('out')) as SessionData
    await db.sql`delete from session where sid = 'out'`
    await store.set('out', session)
    assert.equal(await row(db.sql, 'out'), undefined)
  }))

test('the same for the Session that express-session makes of it', () =>
  withStore(at, async (store) => {
    await putRow(db.sql, 'out-2', { user: 'ann' })
    const req = { sessionID: 'out-2', sessionStore: store } as any
    const session = store.createSession(req, (await store.get('out-2')) as SessionData)
    await db.sql`delete from session where sid = 'out-2'`
    await new Promise((resolve) => session.save(resolve))
    assert.equal(await row(db.sql, 'out-2'), undefined)
    assert.deepEqual(Object.keys(session).sort(), ['cookie', 'user'], 'nothing is added to the user’s data')
  }))

test('a loaded session is saved while its row is there, again and again', () =>
  withStore(at, async (store) => {
    await putRow(db.sql, 'in', { n: 0 })
    const session = (await store.get('in')) as any
    for (let n = 1; n <= 3; n++) {
      session.n = n
      await store.set('in', session)
      assert.equal((await row(db.sql, 'in')).n, n)
    }
  }))

test('a row that somebody ended by hand is gone for a save too', () =>
  withStore(at, async (store) => {
    await putRow(db.sql, 'ended', { n: 0 })
    const session = (await store.get('ended')) as any
    await db.sql`update session set expire = now() - interval '5 seconds' where sid = 'ended'`
    await store.set('ended', Object.assign(session, { n: 1 }))
    await store.touch('ended', session)
    const stored = await row(db.sql, 'ended')
    assert.equal(stored.n, 0)
    assert.ok(stored.inSeconds < 0)
  }))

test('a row that expired during the request, and was pruned, is stored again by the save', () =>
  withStore(at, async (store) => {
    await db.sql`delete from session`
    await putRow(db.sql, 'pruned', { n: 0 }, 1)
    const session = (await store.get('pruned')) as any
    await new Promise((resume) => setTimeout(resume, 2100))
    assert.equal(await store.pruneSessions(), 1)
    await store.set('pruned', Object.assign(session, sessionOf({ n: 1 })))
    assert.equal((await row(db.sql, 'pruned')).n, 1)
  }))

test('the exception is for the first expiry only: after a save that moved it, a destroyed row stays destroyed', () =>
  withStore(at, async (store) => {
    await putRow(db.sql, 'moved', { n: 0 }, 1)
    const session = Object.assign((await store.get('moved')) as any, sessionOf({ n: 1 }))
    await store.set('moved', session)
    await new Promise((resume) => setTimeout(resume, 2100))
    await db.sql`delete from session where sid = 'moved'`
    await store.set('moved', session)
    assert.equal(await row(db.sql, 'moved'), undefined)
  }))

test('a new session, a plain object, and a loaded session under another sid are stored in any case', () =>
  withStore(at, async (store) => {
    await putRow(db.sql, 'source', { n: 1 })
    const session = (await store.get('source')) as SessionData
    await store.set('copy', session)
    assert.equal((await row(db.sql, 'copy')).n, 1)
    const plain = sessionOf({ n: 2 })
    await store.set('plain', plain)
    await store.destroy('plain')
    await store.set('plain', plain)
    assert.equal((await row(db.sql, 'plain')).n, 2)
  }))

test('a request that outlives its session does not bring back what this process logged out', async () => {
  const outlive = (options: (typeof modes)[number]) =>
    withStore(options, async (store) => {
      const named = (name: string) => `outlived-${options.onConflict}-${name}`
      const sids = ['pruned', 'out', 'out-elsewhere', 'out-while-read'].map(named)
      for (const sid of sids) await putRow(db.sql, sid, { n: 0 }, 4)
      const [pruned, out, outElsewhere, outWhileRead] = sids as [string, string, string, string]
      const sessions = new Map<string, any>()
      for (const sid of sids.slice(0, 3)) sessions.set(sid, await store.get(sid))
      const reading = store.get(outWhileRead)
      const destroyed = store.destroy(outWhileRead)
      sessions.set(outWhileRead, await reading)
      await Promise.all([destroyed, store.destroy(out)])
      await withStore(at, (another) => another.destroy(outElsewhere))
      await db.sql`delete from session where sid = ${pruned}`
      await new Promise((resume) => setTimeout(resume, 5100))
      for (const [sid, session] of sessions) {
        await store.set(sid, Object.assign(session, sessionOf({ n: 1 })))
        await store.touch(sid, session)
      }
      assert.deepEqual(await rowsLike(named('%')), [pruned])
    })
  await Promise.all(modes.map(outlive))
})

test('the same for clear()', () =>
  withStore({ ...at, schemaName: 'cleared', createTableIfMissing: true }, async (store) => {
    await db.sql`create schema cleared`
    await store.set('cleared', sessionOf({ n: 0 }, 1))
    const session = (await store.get('cleared')) as SessionData
    await store.clear()
    await new Promise((resume) => setTimeout(resume, 2100))
    await store.set('cleared', Object.assign(session, sessionOf()))
    assert.equal(await store.length(), 0)
    await store.set('cleared', sessionOf({ n: 0 }, 2))
    // One that reads while the clear waits.
    let cleared: Promise<void> | undefined
    let read: SessionData | undefined
    await db.sql.begin(async (holder) => {
      await holder`select from cleared.session for update`
      cleared = store.clear()
      read = (await store.get('cleared')) as SessionData
    })
    await cleared
    await new Promise((resume) => setTimeout(resume, 3100))
    await store.set('cleared', Object.assign(read as SessionData, sessionOf()))
    assert.equal(await store.length(), 0)
    await store.set('cleared', sessionOf())
    assert.equal(await store.length(), 1)
  }))

test('a new session that was stored once is not brought back by its next save', async () => {
  for (const options of modes) {
    await withStore(options, async (store) => {
      const session = begun(store, 'begun', { n: 1 })
      await store.set('begun', session)
      await store.set('begun', Object.assign(session, { n: 2 }))
      assert.equal((await row(db.sql, 'begun')).n, 2)
      await db.sql`delete from session where sid = 'begun'`
      await store.set('begun', Object.assign(session, { n: 3 }))
      await store.touch('begun', session)
      assert.equal(await row(db.sql, 'begun'), undefined, options.onConflict)
    })
  }
})

test('a new session whose first save failed is stored by the next one', async () => {
  for (const options of modes) {
    await withStore(options, async (store) => {
      const session = begun(store, 'retried', { n: 1n })
      await assert.rejects(store.set('retried', session), { code: 'STORE_SESSION' })
      await store.touch('retried', session)
      await store.set('retried', Object.assign(session, { n: 1 }))
      assert.equal((await row(db.sql, 'retried')).n, 1)
      await store.destroy('retried')
    })
  }
})

test('what another store of the process reads while a logout is under way is not stored again after its expiry', () =>
  withStore(at, (store) =>
    withStore(at, async (other) => {
      await store.length()
      const logoutOf = {
        destroy: (sid: string) => store.destroy(sid),
        destroyByUser: () => store.destroyByUser('ann'),
      }
      for (const [name, logOut] of Object.entries(logoutOf)) {
        const sid = `read-meanwhile-${name}`
        await putRow(db.sql, sid, { passport: { user: 'ann' } }, 2)
        let ended: Promise<unknown> | undefined
        let session: SessionData | undefined
        await db.sql.begin(async (holder) => {
          await holder`select from session where sid = ${sid} for update`
          ended = logOut(sid)
          while (
            (
              await db.sql`select from pg_stat_activity where query ~ 'delete from' and state = 'active'
            and datname = current_database() and wait_event_type = 'Lock'`
            ).length === 0
          );
          session = (await other.get(sid)) as SessionData
        })
        await ended
        await new Promise((resume) => setTimeout(resume, 3100))
        await other.set(sid, Object.assign(session!, sessionOf({ passport: { user: 'ann' } })))
        assert.equal(await row(db.sql, sid), undefined, name)
      }
    }),
  ))

test('a session that another store loaded stays loaded there, and is copied here in any case', async () => {
  await db.sql`create table copied_session (like session including all)`
  await withStore(at, (store) =>
    withStore({ ...at, tableName: 'copied_session' }, async (copies) => {
      const session = begun(store, 'both', { n: 1 })
      for (const each of [store, copies, store, copies]) await each.set('both', session)
      await db.sql`delete from session where sid = 'both'`
      await db.sql`delete from copied_session where sid = 'both'`
      for (const each of [copies, store]) await each.set('both', session)
      assert.equal(await row(db.sql, 'both'), undefined)
      assert.equal((await row(db.sql, 'both', 'copied_session')).n, 1)
    }),
  )
})

test(
  'a request that saves and saves again, while another logs out: whatever is issued when, no row remains',
  async () => {
    const rounds = 200
    const pauses = [
      () => undefined,
      () => new Promise((resume) => setImmediate(resume)),
      () => new Promise((resume) => setTimeout(resume, Math.random() * 5)),
    ]
    for (const options of modes) {
      await withStore(options, async (store) => {
        /** First save, logout, second save, none of which waits for another; and who is left. */
        const play = async (name: string, sessionFor: (sid: string) => SessionData, again: boolean) => {
          await Promise.all(
            Array.from({ length: rounds }, async (_, i) => {
              const sid = `${name}-${i}`
              const session = sessionFor(sid)
              const pause = () => pauses[Math.floor(Math.random() * pauses.length)]?.()
              const issued = [store.set(sid, session)]
              await pause()
              if (again) issued.push(store.set(sid, Object.assign(session, { n: 1 })))
              await pause()
              issued.push(store.destroy(sid))
              await pause()
              issued.push(store.touch(sid, session), store.set(sid, Object.assign(session, { n: 2 })))
              await pause()
              issued.push(store.set(sid, Object.assign(session, { n: 3 })))
              await Promise.all(issued)
            }),
          )
          return (await rowsLike(`${name}-%`)).length
        }
        for (const again of [false, true]) {
          const mode = `${options.onConflict}-${again}`
          const named = (sid: string) => begun(store, sid, { n: 0 })
          assert.equal(await play(`begun-${mode}`, named, again), 0, mode)
          const control = await play(`plain-${mode}`, () => sessionOf({ n: 0 }), again)
          assert.equal(control, rounds, 'a plain object is stored in any case')
        }
        await db.sql`delete from session where sid like 'plain-%'`
      })
    }
  },
  { seconds: 60 },
)

test(
  '1,000 times, two processes: one saves a loaded session while the other destroys it, and no row remains',
  async () => {
    const rounds = 1000
    const [saver, destroyer] = [worker('logout', { url: db.url }), worker('logout', { url: db.url })]
    try {
      await Promise.all([saver.next(), destroyer.next()])
      const sids = Array.from({ length: rounds }, (_, i) => `race-${i}`)
      await db.sql`
      insert into session select sid, ${JSON.stringify(sessionOf())}::text::json, now() + interval '1 hour'
      from unnest(${sids}::text[]) sid`
      saver.tell({ verb: 'load', sids })
      assert.equal(await saver.next(), rounds)
      saver.tell({ verb: 'save', sids })
      destroyer.tell({ verb: 'destroy', sids })
      const [saved, destroyed] = await Promise.all([saver.next(), destroyer.next()])
      assert.deepEqual([saved, destroyed], [rounds, rounds], 'every operation succeeded')
      const left = await db.sql`select sid from session where sid like 'race-%'`
      assert.equal(left.length, 0)
    } finally {
      await Promise.all([saver.end(), destroyer.end()])
    }
  },
  { seconds: 60 },
)

test('no connection is left behind', () => db.drop())
