// A logout stays a logout, however late the request that saves.

import assert from 'node:assert/strict'
import type { SessionData } from 'express-session'
import { database, tableSql } from './support/database.ts'
import { worker } from './support/processes.ts'
import { promises } from './support/promise.ts'
import { putRow, row, sessionOf, withStore } from './support/store.ts'

const db = await database('logout')
await db.sql.unsafe(tableSql)
const test = promises('logout')
const at = { conString: db.url }

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
    await putRow(db.sql, 'pruned', { n: 0 }, 1)
    const session = (await store.get('pruned')) as any
    await new Promise((resume) => setTimeout(resume, 2100))
    assert.equal(await store.pruneSessions(), 2, 'this one and the one ended by hand')
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
