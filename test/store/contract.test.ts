// The contract of express-session's stores, shown by this store and by connect-pg-simple, whose place it
// takes. What that one lacks is listed as skipped, and shown to be lacking. Knows the stores by their verbs.

import assert from 'node:assert/strict'
import type { Store } from 'express-session'
import { database, tableSql } from '../support/database.ts'
import { incumbent } from '../support/incumbent.ts'
import { promises, within } from '../support/promise.ts'
import { endless, Store as PostgresStore, putRow, row, sessionOf } from '../support/store.ts'

const db = await database('contract')
await db.sql.unsafe(tableSql)

/** A store by callbacks, as express-session calls it. */
type Call = (verb: string, ...values: unknown[]) => Promise<any>
const callsOf =
  (store: Store): Call =>
  (verb, ...values) =>
    new Promise((resolve, reject) =>
      (store as any)[verb](...values, (error: unknown, result: unknown) =>
        error ? reject(error) : resolve(result),
      ),
    )

interface Promised {
  /** @param sid of a session that is not there yet */
  show(call: Call, sid: string, store: Store): Promise<void>
  /** What connect-pg-simple does instead. */
  instead?: string
}

const contract: Record<string, Promised> = {
  'a sid that is not known is no session, and no error': {
    async show(call, sid) {
      assert.ok(!(await call('get', sid)))
    },
  },
  'a session that was set is got as it was, with its cookie': {
    async show(call, sid) {
      const session = sessionOf({ user: 'ann', text: 'é\u0000\ud83d\ude00"\\', list: [1, { a: null }] })
      await call('set', sid, session)
      assert.deepEqual({ ...(await call('get', sid)), cookie: 0 }, { ...session, cookie: 0 })
      const { cookie } = await call('get', sid)
      assert.equal(cookie.originalMaxAge, session.cookie.originalMaxAge)
      assert.ok(Math.abs(Number(new Date(cookie.expires)) - Number(session.cookie.expires)) < 1000)
    },
  },
  'what is got twice are two objects': {
    async show(call, sid) {
      await call('set', sid, sessionOf({ n: 1 }))
      const [one, other] = [await call('get', sid), await call('get', sid)]
      one.n = 2
      assert.equal(other.n, 1)
    },
  },
  'a later session takes the place of an earlier one': {
    async show(call, sid) {
      await call('set', sid, sessionOf({ n: 1, gone: true }))
      await call('set', sid, sessionOf({ n: 2 }))
      const { n, gone } = await call('get', sid)
      assert.deepEqual([n, gone], [2, undefined])
    },
  },
  'any text can be a sid': {
    async show(call, sid) {
      const sids = ["'", '"', '\\', '%', '{}', ',', ' ', 'é', '__proto__'].map((text) => `${sid} ${text}`)
      for (const [n, each] of sids.entries()) await call('set', each, sessionOf({ n }))
      for (const [n, each] of sids.entries()) assert.equal((await call('get', each)).n, n, each)
    },
  },
  'a session that was destroyed is gone, and to destroy it again is no error': {
    async show(call, sid) {
      await call('set', sid, sessionOf())
      await call('destroy', sid)
      assert.ok(!(await call('get', sid)))
      await call('destroy', sid)
    },
  },
  'a touch puts the expiry off, and changes nothing else': {
    async show(call, sid) {
      await call('set', sid, sessionOf({ n: 1 }, 60))
      await call('touch', sid, sessionOf({ n: 2 }, 3600))
      assert.equal((await call('get', sid)).n, 1)
      assert.ok((await row(db.sql, sid)).inSeconds > 3500)
    },
  },
  'a touch of a session that is not there is no error, and makes none': {
    async show(call, sid) {
      await call('touch', sid, sessionOf())
      assert.ok(!(await call('get', sid)))
    },
  },
  'a session that has expired is not got': {
    async show(call, sid) {
      await putRow(db.sql, sid, {}, -2)
      assert.ok(!(await call('get', sid)))
    },
  },
  'a session without an expiry of its own lives for a day': {
    async show(call, sid) {
      await call('set', sid, endless())
      assert.ok(Math.abs((await row(db.sql, sid)).inSeconds - 86_400) < 10)
    },
  },
  'pruning removes what has expired, and nothing else': {
    async show(call, sid) {
      await putRow(db.sql, `${sid} old`, {}, -10)
      await putRow(db.sql, `${sid} live`, {}, 10)
      await call('pruneSessions')
      assert.equal(await row(db.sql, `${sid} old`), undefined)
      assert.ok(await row(db.sql, `${sid} live`))
    },
  },
  'sessions of many users, set at once, are each got by their own sid': {
    async show(call, sid) {
      const users = Array.from({ length: 100 }, (_, n) => n)
      await Promise.all(users.map((n) => call('set', `${sid} ${n}`, sessionOf({ n }))))
      const found = await Promise.all(users.map((n) => call('get', `${sid} ${n}`)))
      assert.deepEqual(
        found.map(({ n }) => n),
        users,
      )
    },
  },
  'a table that is not there is an error, told to the callback': {
    async show(_call, _sid, store) {
      await db.sql`alter table session rename to away`
      try {
        await assert.rejects(callsOf(store)('get', 'a'), { code: '42P01' })
      } finally {
        await db.sql`alter table away rename to session`
      }
    },
  },
  'what has expired stays so when it is touched before it is pruned': {
    async show(call, sid) {
      await putRow(db.sql, sid, {}, -5)
      await call('touch', sid, sessionOf())
      assert.ok(!(await call('get', sid)))
    },
    instead: 'it comes back to life',
  },
  'a save of what was loaded before a logout does not undo the logout': {
    async show(call, sid) {
      await call('set', sid, sessionOf({ user: 'ann' }))
      const loaded = await call('get', sid)
      await call('destroy', sid)
      await call('set', sid, loaded)
      assert.ok(!(await call('get', sid)))
    },
    instead: 'the user is logged in again',
  },
  'without a callback there is a promise': {
    async show(_call, sid, store) {
      await (store as any).set(sid, sessionOf({ n: 1 }))
      assert.equal((await (store as any).get(sid)).n, 1)
    },
    instead: 'errors and answers are lost',
  },
  'there are all(), length() and clear(), which express-session recommends': {
    async show(call, sid) {
      await call('set', sid, sessionOf({ n: 1 }))
      assert.ok((await call('all')).length > 0)
      assert.ok((await call('length')) > 0)
      await call('clear')
      assert.equal(await call('length'), 0)
    },
    instead: 'there are none',
  },
}

const theirs = incumbent(db.url)
const ours = new PostgresStore({ conString: db.url, pruneSessionInterval: false })
const stores: Record<string, Store> = { 'connect-postgres-simple': ours, 'connect-pg-simple': theirs.store }

for (const [name, store] of Object.entries(stores)) {
  const test = promises(`contract of ${name}`)
  const lacks = (promised: Promised) => store === theirs.store && promised.instead !== undefined
  const show = (title: string, promised: Promised) =>
    promised.show(callsOf(store), `${name}: ${title}`, store)
  for (const [title, promised] of Object.entries(contract)) {
    const skip = lacks(promised) ? `${name} lacks it: ${promised.instead}` : undefined
    test(title, () => show(title, promised), { skip })
  }
  const lacking = Object.entries(contract).filter(([, promised]) => lacks(promised))
  if (lacking.length === 0) continue
  test('what is said to be lacking is', async () => {
    for (const [title, promised] of lacking) {
      const kept = await within(10, () => show(title, promised)).then(
        () => true,
        () => false,
      )
      assert.ok(!kept, `it keeps the promise: ${title}`)
    }
  })
}

const test = promises('the end of the contract')
test('no connection is left behind', async () => {
  await Promise.all([ours.close(), theirs.close()])
  await db.drop()
})
