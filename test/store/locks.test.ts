// Which row locks the statements take, and in which order. Two statements that lock the same rows in different
// orders can be in a deadlock.

import assert from 'node:assert/strict'
import type { SessionData } from 'express-session'
import { names } from '../../src/table/names.ts'
import type { Operation } from '../../src/table/operations.ts'
import { parametersOf } from '../../src/table/parameters.ts'
import { statements } from '../../src/table/statements.ts'
import { database, tableSql } from '../support/database.ts'
import { promises, within } from '../support/promise.ts'
import { putRow, row, sessionOf, withStore } from '../support/store.ts'

const db = await database('locks')
await db.sql.unsafe(tableSql)
const test = promises('locks')

const now = Math.ceil(Date.now() / 1000)
const sess = JSON.stringify(sessionOf({ n: 1 }))
const expire = now + 9000
const replace = { verb: 'replace', sess, was: '', expire, aliveAt: 0 } as unknown as Operation
const changes: Operation[] = [
  { verb: 'upsert', sess, expire, aliveAt: 0 },
  { verb: 'update', sess, expire, aliveAt: 0 },
  replace,
  { verb: 'touch', expire, aliveAt: 0 },
  { verb: 'destroy' },
]

/** In which orders the rows stand in the table, and the sids in the batch. */
const ORDERS = ['abcd', 'dcba', 'cadb', 'bdac'].map((order) => [...order])

for (const op of changes) {
  test(`a batch of ${op.verb} locks its rows in the order of their sids, whatever the order of the batch`, async () => {
    const statement = statements(names('session', undefined))[op.verb as 'update']
    for (const stored of ORDERS) {
      for (const keys of ORDERS) {
        await db.sql`truncate session`
        for (const sid of stored) await putRow(db.sql, sid, {})
        const time = { leftMs: 10_000, latest: String(Date.now() / 1000 + 60) }
        const batch = { keys, ops: keys.map(() => op), skipsHeld: false, isPatient: false }
        const values = parametersOf(statement, batch, now, time)
        values[statement.parameters.indexOf('lockWaitMs')] = '20000'
        let changed: Promise<unknown> | undefined
        await db.sql.begin(async (holder) => {
          await holder`select from session where sid = 'a' for update`
          changed = db.sql.unsafe(statement.text, values).execute()
          // Told below.
          changed.catch(() => {})
          // Not by the holder: a transaction sees one and the same picture of the activity.
          const waits = () => db.sql`
            select from pg_locks l join pg_stat_activity a on a.pid = l.pid
            where not l.granted and a.datname = current_database()`
          while ((await waits()).length === 0) await new Promise((resume) => setTimeout(resume, 2))
          // It waits for the first one, and has none of the others yet.
          const free = await holder`select sid from session for update skip locked`
          assert.equal(free.length, 4, `rows ${stored}, batch ${keys}`)
        })
        await changed
      }
    }
  })
}

for (const op of changes) {
  test(`a batch of ${op.verb} that skips held rows waits for none of them, and tells which they are`, async () => {
    const { [op.verb as 'update']: statement } = statements(names('session', undefined)).skipping
    await db.sql`truncate session`
    const keys = ['a', 'b', 'c', 'd']
    for (const sid of keys) await putRow(db.sql, sid, {})
    const time = { leftMs: 10_000, latest: String(Date.now() / 1000 + 60) }
    const batch = { keys, ops: keys.map(() => op), skipsHeld: true, isPatient: false }
    const values = parametersOf(statement, batch, now, time)
    // Longer than the holder holds them: a statement that waits would get all.
    values[statement.parameters.indexOf('lockWaitMs')] = '20000'
    const told = await db.sql.begin(async (holder) => {
      await holder`select from session where sid in ('a', 'c') for update`
      return within(5, () => db.sql.unsafe(statement.text, values).values())
    })
    const held = told.filter((columns) => columns[1] === 'held').map(([sid]) => sid)
    assert.deepEqual(held.sort(), ['a', 'c'])
  })
}

test('a row to which a foreign key points can be saved and touched while the other side is written', async () => {
  await db.sql`truncate session`
  await db.sql`create table visit (sid varchar references session)`
  await withStore({ conString: db.url, timeout: 10 }, async (store) => {
    await putRow(db.sql, 'visited', { n: 0 })
    const session = (await store.get('visited')) as SessionData
    await db.sql.begin(async (holder) => {
      await holder`insert into visit values ('visited')`
      await store.set('visited', Object.assign(session, { n: 1 }))
      await store.touch('visited', sessionOf({}, 9000))
      await store.set('visited', sessionOf({ n: 2 }, 9000))
    })
  })
  await withStore({ conString: db.url, onConflict: 'merge', timeout: 10 }, async (store) => {
    const session = (await store.get('visited')) as SessionData
    await db.sql.begin(async (holder) => {
      await holder`insert into visit values ('visited')`
      await store.set('visited', Object.assign(session, { m: 3 }))
    })
  })
  const { n, m } = await row(db.sql, 'visited')
  assert.deepEqual([n, m], [2, 3])
  await db.sql`drop table visit`
})

test('no connection is left behind', () => db.drop())
