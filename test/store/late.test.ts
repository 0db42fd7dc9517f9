// A write that was given up takes no effect after it: not when a lock lets it go, nor when the network
// delivers it.

import assert from 'node:assert/strict'
import postgres from 'postgres'
import { STATEMENT_LATE } from '../../src/sqlstate.ts'
import { names } from '../../src/table/names.ts'
import type { Operation } from '../../src/table/operations.ts'
import { parametersOf } from '../../src/table/parameters.ts'
import { statements } from '../../src/table/statements.ts'
import { proxy } from '../faults/proxy.ts'
import { database, tableSql } from '../support/database.ts'
import { failure } from '../support/failure.ts'
import { promises } from '../support/promise.ts'
import { backends, putRow, row, sessionOf, withStore } from '../support/store.ts'

const db = await database('late')
await db.sql.unsafe(tableSql)
const test = promises('late')
const at = { conString: db.url }

const waiting = async () =>
  (
    await db.sql`
    select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`
  ).length

test('a statement asks for the time when it has all its locks, and then changes nothing', async () => {
  const texts = statements(names('session', undefined))
  const now = Math.ceil(Date.now() / 1000)
  const sess = JSON.stringify(sessionOf({ n: 'late' }))
  const expire = now + 9000
  const writes: Operation[] = [
    { verb: 'upsert', sess, expire, aliveAt: 0 },
    { verb: 'update', sess, expire, aliveAt: 0 },
    { verb: 'touch', expire, aliveAt: 0 },
    { verb: 'destroy' },
  ]
  const keys = ['locked-a', 'locked-b']
  for (const op of writes) {
    for (const sid of keys) {
      await db.sql`delete from session where sid = ${sid}`
      await putRow(db.sql, sid, { n: 0 })
    }
    let late: Promise<{ code?: string }> | undefined
    await db.sql.begin(async (holder) => {
      await holder`select from session where sid = 'locked-b' for update`
      const latest = String(Date.now() / 1000 + 0.3)
      const { text, parameters } = texts[op.verb]
      const values = parametersOf(
        texts[op.verb],
        { keys, ops: [op, op], skipsHeld: false, isPatient: false },
        now,
        { leftMs: 10_000, latest },
      )
      // For as long as the test wants, not as the store does.
      values[parameters.indexOf('lockWaitMs')] = '10000'
      late = failure(db.sql.unsafe(text, values))
      while ((await waiting()) === 0) await new Promise((resume) => setTimeout(resume, 5))
      await holder`select pg_sleep(0.4)`
    })
    assert.equal((await late)?.code, STATEMENT_LATE, op.verb)
    for (const sid of keys) {
      const left = await row(db.sql, sid)
      assert.equal(left.n, 0, op.verb)
      assert.ok(left.inSeconds < 1000)
    }
  }
})

test('a write that waits for a lock of the whole table fails by the timeout, and does not land after it', () =>
  withStore({ ...at, timeout: 1 }, async (store) => {
    const stored = async () => (await row(db.sql, 'late'))?.n
    await store.set('late', sessionOf({ n: 0 }))
    const loaded: any = await store.get('late')
    const writes = {
      set: () => store.set('late', sessionOf({ n: 1 })),
      update: () => store.set('late', Object.assign(loaded, { n: 2 })),
      touch: () => store.touch('late', sessionOf({}, 9000)),
      destroy: () => store.destroy('late'),
      clear: () => store.clear(),
    }
    for (const [name, write] of Object.entries(writes)) {
      await db.sql.begin(async (sql) => {
        await sql`lock table session in access exclusive mode`
        assert.equal((await failure(write())).code, 'STORE_TIMEOUT', name)
      })
      // Those that waited for it go on.
      while ((await waiting()) > 0) await new Promise((resume) => setTimeout(resume, 5))
      assert.equal(await stored(), 0, name)
      assert.ok((await row(db.sql, 'late')).inSeconds < 1000, name)
    }
  }))

test('a write that the network delivers after its timeout does not land', async () => {
  const between = await proxy(db.url)
  await withStore({ conString: between.url, timeout: 1, max: 2, onConflict: 'merge' }, async (store) => {
    const loaded: any[] = []
    const writes = {
      upsert: () => store.set('new', sessionOf({ n: 1 })),
      insert: () => {
        const req = { sessionID: 'new', sessionStore: store } as never
        return store.set('new', store.createSession(req, sessionOf({ n: 1 })))
      },
      set: () => store.set('sent', sessionOf({ n: 1 })),
      replace: () => store.set('sent', Object.assign(loaded[0], { n: 2 })),
      touch: () => store.touch('sent', sessionOf({}, 9000)),
      destroy: () => store.destroy('sent'),
      clear: () => store.clear(),
    }
    for (const [name, write] of Object.entries(writes)) {
      // So that what is held is the statement, and no part of the opening.
      await store.set('sent', sessionOf({ n: 0 }))
      loaded[0] = await store.get('sent')
      between.become('late')
      assert.equal((await failure(write())).code, 'STORE_TIMEOUT', name)
      const before = (await backends(db.sql)).length
      between.become('pass')
      // Its backend ends when it has done what was sent to it.
      while ((await backends(db.sql)).length === before) await new Promise((resume) => setTimeout(resume, 5))
      assert.equal((await row(db.sql, 'sent'))?.n, 0, name)
      assert.ok((await row(db.sql, 'sent')).inSeconds < 1000, name)
      assert.equal(await row(db.sql, 'new'), undefined)
    }
  })
  await between.close()
})

test('the clock of the server may say something else than ours, and either may be set meanwhile', async () => {
  const real = Date.now
  const sql = postgres(db.url)
  try {
    for (const options of [at, { postgres: sql, isolate: false }]) {
      await withStore(options, async (store) => {
        for (const [n, hours] of [0, -1, 5, -3].entries()) {
          Date.now = () => real() + hours * 3_600_000
          await store.set('clock', sessionOf({ n }))
          assert.equal((await row(db.sql, 'clock')).n, n)
        }
      })
    }
  } finally {
    Date.now = real
    await sql.end()
  }
})

test('no connection is left behind', () => db.drop())
