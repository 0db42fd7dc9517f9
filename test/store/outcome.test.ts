// How outcomes reach the app: callbacks run once, promises fail where somebody listens, nothing ends the
// process.

import assert from 'node:assert/strict'
import { database, tableSql } from '../support/database.ts'
import { failure } from '../support/failure.ts'
import { script } from '../support/processes.ts'
import { promises } from '../support/promise.ts'
import { putRow, row, Store, sessionOf, withStore } from '../support/store.ts'

const db = await database('outcome')
await db.sql.unsafe(tableSql)
const test = promises('outcome')
const at = { conString: db.url }

const called = <T>(start: (callback: (...values: any[]) => void) => T) =>
  new Promise<any[]>((resolve) => {
    const result = start((...values) => resolve(values))
    assert.equal(result, undefined, 'with a callback there is no promise')
  })

test('every verb takes a callback, and gives it null first when all went well', () =>
  withStore(at, async (store) => {
    await db.sql`delete from session`
    await putRow(db.sql, 'cb', { n: 1 })
    const [error, session] = await called((cb) => store.get('cb', cb))
    assert.deepEqual([error, session.n], [null, 1])
    assert.deepEqual(await called((cb) => store.get('none', cb)), [null, null])
    assert.deepEqual(await called((cb) => store.set('cb-2', sessionOf(), cb)), [null, undefined])
    assert.deepEqual(await called((cb) => store.touch('cb', sessionOf(), cb)), [null, undefined])
    assert.deepEqual(await called((cb) => store.destroy('cb-2', cb)), [null, undefined])
    assert.deepEqual(await called((cb) => store.length(cb)), [null, 1])
    assert.deepEqual(await called((cb) => store.ids(cb)), [null, ['cb']])
    assert.equal((await called((cb) => store.all(cb)))[1].length, 1)
    assert.deepEqual(await called((cb) => store.pruneSessions(cb)), [null, 0])
    assert.deepEqual(await called((cb) => store.clear(cb)), [null, undefined])
  }))

test('every verb gives its error to the callback', () =>
  withStore({ ...at, tableName: 'absent' }, async (store) => {
    const all = await Promise.all([
      called((cb) => store.get('a', cb)),
      called((cb) => store.set('a', sessionOf(), cb)),
      called((cb) => store.touch('a', sessionOf(), cb)),
      called((cb) => store.destroy('a', cb)),
      called((cb) => store.length(cb)),
      called((cb) => store.ids(cb)),
      called((cb) => store.all(cb)),
      called((cb) => store.pruneSessions(cb)),
      called((cb) => store.clear(cb)),
    ])
    for (const values of all) {
      assert.equal(values.length, 1)
      assert.equal(values[0].code, '42P01')
    }
  }))

test('a callback never runs before the call has returned', () =>
  withStore({ ...at, disableTouch: true }, async (store) => {
    let returned = false
    const done = called((cb) =>
      store.touch('a', sessionOf(), (error) => {
        assert.ok(returned)
        cb(error)
      }),
    )
    returned = true
    await done
  }))

test('a callback that throws is called once, its exception is the app’s, and the row stays', async () => {
  await putRow(db.sql, 'throws', { n: 1 })
  const { code, output } = await script('throwing-callback', { URL_OF_TEST: db.url }).ended()
  assert.equal(code, 0, output)
  assert.match(output, /calls: get=1 set=1 touch=1 uncaught=3/)
  assert.equal((await row(db.sql, 'throws')).n, 1)
})

test('a failure that nobody listens to goes to errorLog, once, and not to the process', async () => {
  const logged: unknown[][] = []
  const rejections: unknown[] = []
  const listener = (error: unknown) => rejections.push(error)
  process.on('unhandledRejection', listener)
  await withStore(
    { ...at, tableName: 'absent', errorLog: (...values) => logged.push(values) },
    async (store) => {
      void store.destroy('a')
      // As express-session does for req.session.destroy().
      void store.destroy('b', undefined)
      while (logged.length < 2) await new Promise((resume) => setTimeout(resume, 20))
      assert.equal(logged.length, 2)
      assert.match(String(logged[0]?.[0]), /`destroy` failed/)
      assert.equal((logged[0] as any)[1].code, '42P01')
      await failure(store.destroy('c'))
      await store.destroy('d').catch(() => {})
      await store.destroy('e').then(undefined, () => {})
      assert.equal(logged.length, 2, 'who listens is told alone')
    },
  )
  await new Promise((resume) => setImmediate(resume))
  process.removeListener('unhandledRejection', listener)
  assert.deepEqual(rejections, [])
})

test('a promise of the store is one: then, catch, finally and await work on it', () =>
  withStore(at, async (store) => {
    const promise = store.length()
    assert.ok(promise instanceof Promise)
    assert.equal(await promise.then((n) => n + 1).finally(() => {}), (await store.length()) + 1)
  }))

test('close may be called at any time and again; what comes after is told so', async () => {
  const store = new Store(at)
  const under = store.set('closing', sessionOf({ n: 1 }))
  const counting = store.length()
  const [first, second] = [store.close(), store.close()]
  await under
  assert.ok((await counting) >= 1)
  await Promise.all([first, second])
  await store.close()
  assert.equal((await row(db.sql, 'closing')).n, 1)
  for (const operation of [
    () => store.get('a'),
    () => store.set('a', sessionOf()),
    () => store.touch('a', sessionOf()),
    () => store.destroy('a'),
    () => store.all(),
    () => store.ids(),
    () => store.length(),
    () => store.clear(),
    () => store.pruneSessions(),
    () => store.createTable(),
    () => store.entries().next(),
  ]) {
    assert.equal((await failure(operation())).code, 'STORE_CLOSED')
  }
  await new Store(at).close()
})

test('no `disconnect` and no `error` event is ever emitted', () =>
  withStore({ ...at, tableName: 'absent' }, async (store) => {
    const events: unknown[] = []
    const emit = store.emit
    store.emit = (name, ...rest) => {
      events.push(name)
      return emit.call(store, name, ...rest)
    }
    await failure(store.get('a'))
    assert.deepEqual(events, [])
  }))

test('no connection is left behind', () => db.drop())
