// Whatever the settings of the app's postgres.js instance: the store behaves the same, and leaves the
// instance open and unused.

import assert from 'node:assert/strict'
import type { SessionData } from 'express-session'
import postgres, { type Sql } from 'postgres'
import { database, tableSql } from '../support/database.ts'
import { failure } from '../support/failure.ts'
import { promises } from '../support/promise.ts'
import { endless, row, Store, sessionOf, withStore } from '../support/store.ts'

const db = await database('instances')
await db.sql.unsafe(tableSql)
await db.sql.unsafe(`create schema elsewhere; set search_path = elsewhere; ${tableSql}; reset search_path`)
const test = promises('instances')

const shout = (value: unknown) => (typeof value === 'string' ? value.toUpperCase() : value)
const textType = {
  to: 25,
  from: [25, 1043],
  serialize: (x: string) => `<${x}>`,
  parse: (x: string) => `[${x}]`,
}
const jsonType = { to: 114, from: [114, 3802], serialize: () => '"x"', parse: () => 'parsed by the app' }
const numberType = { to: 701, from: [701], serialize: () => '0', parse: () => 0 }

const hostile: Record<string, object> = {
  'transform camel': { transform: postgres.camel },
  'transform pascal': { transform: postgres.pascal },
  'transform kebab': { transform: postgres.kebab },
  'a row transform': { transform: { row: (r: object) => Object.values(r) } },
  'a value transform': { transform: { value: shout } },
  'a column transform': { transform: { column: { from: shout, to: shout } } },
  'transform of undefined': { transform: { undefined: null } },
  'custom types on text': { types: { text: textType } },
  'custom types on json': { types: { json: jsonType } },
  'custom types on float8': { types: { number: numberType } },
  'fetch_types false': { fetch_types: false },
  'prepare false': { prepare: false },
  'max 1': { max: 1 },
  'debug true': { debug: true },
  'a debug function': { debug() {} },
  'a TimeZone of its own': { connection: { TimeZone: 'Asia/Kolkata' } },
  'a search_path': { connection: { search_path: 'elsewhere' } },
  'an idle_timeout and max_lifetime': { idle_timeout: 1, max_lifetime: 1 },
  'no max_lifetime': { max_lifetime: null },
  'hooks of all kinds': { onnotice() {}, onparameter() {}, onclose() {} },
}

for (const [name, options] of Object.entries(hostile)) {
  test(`an instance with ${name} makes no difference, and is not used`, async () => {
    const applicationName = `app of ${name}`.slice(0, 60)
    const { connection, ...rest } = options as { connection?: object }
    const sql = postgres(db.url, {
      ...rest,
      connection: { ...connection, application_name: applicationName },
    }) as Sql<any>
    const before = snapshot(sql)
    const used: unknown[] = []
    const unsafe = sql.unsafe
    sql.unsafe = (...values: unknown[]) => {
      used.push(values)
      return (unsafe as any)(...values)
    }
    const table = 'search_path' in (connection ?? {}) ? 'elsewhere.session' : 'session'
    await withStore({ postgres: sql }, async (store) => {
      const data = { user_name: 'ann', 'x-y': { snake_case: ['a_b', 1, null, true] }, CamelCase: 'MiXed' }
      const sid = `Sid_of ${name}`
      await store.set(sid, sessionOf(data, 500))
      const { cookie, ...got } = (await store.get(sid)) as any
      assert.deepEqual(got, data)
      const [stored] = await db.sql.unsafe(`select sess::text as sess from ${table} where sid = $1`, [sid])
      assert.deepEqual(JSON.parse(stored?.['sess']).user_name, 'ann')
      await store.touch(sid, sessionOf({}, 2000))
      const again = (await store.get(sid)) as any
      assert.ok(Math.abs(new Date(again.cookie.expires).getTime() - Date.now() - 2_000_000) < 3000)
      await store.set(sid, Object.assign(again, { more: 1 }))
      assert.equal(((await store.get(sid)) as any).more, 1)
      assert.deepEqual(await store.ids(), [sid])
      assert.equal(await store.length(), 1)
      assert.equal((await store.all()).length, 1)
      await store.set('dead', sessionOf({}, -5))
      assert.equal(await store.pruneSessions(), 1)
      await store.destroy(sid)
      assert.equal(await store.get(sid), null)
      assert.equal(await store.length(), 0)
    })
    assert.deepEqual(used, [])
    assert.equal(snapshot(sql), before)
    const open = await db.sql`select from pg_stat_activity where application_name = ${applicationName}`
    assert.equal(open.length, 0, 'neither the app’s connections nor ours are open')
    const probe = (await sql`select 1 as one`) as unknown as { length: number }
    assert.equal(probe.length, 1, 'the instance still works')
    await sql.end()
  })
}

test('with max 1, a store used inside a transaction of the app does not wait for it', async () => {
  const sql = postgres(db.url, { max: 1 })
  await withStore({ postgres: sql }, async (store) => {
    await sql.begin(async (transaction) => {
      await transaction`select 1`
      await store.set('inside', sessionOf())
      assert.ok(await store.get('inside'))
    })
    await store.clear()
  })
  await sql.end()
})

test('a real transaction and a real reserved connection are refused', async () => {
  const sql = postgres(db.url, { max: 1 })
  await sql.begin(async (transaction) => {
    assert.throws(() => new Store({ postgres: transaction as unknown as Sql }), /a transaction/)
  })
  const reserved = await sql.reserve()
  assert.throws(() => new Store({ postgres: reserved as unknown as Sql }), /a reserved connection/)
  reserved.release()
  await sql.end()
})

test('isolate false works on the connections of the instance, a wrapper too, and leaves it open', async () => {
  const sql = postgres(db.url, { max: 1 })
  const wrapper = Object.assign(() => {}, {
    unsafe: sql.unsafe,
    begin: sql.begin,
    end: () => Promise.reject(new Error('not yours')),
  })
  for (const instance of [sql, wrapper as unknown as Sql]) {
    const store = new Store({ postgres: instance, isolate: false, ttl: 300, pruneSessionInterval: false })
    await store.set('shared', endless({ n: 1 }))
    assert.equal(((await store.get('shared')) as any).n, 1)
    assert.ok((await row(db.sql, 'shared')).inSeconds > 290)
    await store.close()
  }
  const [{ count }] = (await db.sql`
    select count(*)::int from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`) as any
  assert.ok(count >= 1)
  assert.equal((await sql`select 1`).length, 1)
  await sql.end()
})

test('sessions that are large are read a megabyte at a time, so that small ones need not wait for many of them', async () => {
  const own = postgres(db.url, { max: 1 })
  const asked: number[] = []
  const wrapper = Object.assign(() => {}, {
    unsafe: (text: string, parameters: string[], ...rest: any[]) => {
      if (text.includes('select s.sid, s.sess::text')) asked.push(parameters[1]!.split('\x01').length)
      return (own.unsafe as any)(text, parameters, ...rest)
    },
    begin() {},
    end() {},
  })
  await withStore({ postgres: wrapper as unknown as Sql, isolate: false }, async (store) => {
    const sids = Array.from({ length: 60 }, (_, i) => `large-${i}`)
    await Promise.all(sids.map((sid) => store.set(sid, sessionOf({ text: 'x'.repeat(200_000) }))))
    for (let i = 0; i < 4; i++) await Promise.all(sids.map((sid) => store.get(sid)))
    asked.length = 0
    await Promise.all(sids.map((sid) => store.get(sid)))
    assert.ok(Math.max(...asked) <= 6, `read ${asked} at once`)
    await store.clear()
  })
  await own.end()
})

test('a save of a session that another store gave is stored in any case: the row is of another table', async () => {
  await db.sql`create table other (like session including all)`
  await withStore({ conString: db.url }, (store) =>
    withStore({ conString: db.url, tableName: 'other' }, async (other) => {
      await store.set('moving', sessionOf({ n: 1 }))
      const session = (await store.get('moving')) as SessionData
      await other.set('moving', session)
      assert.equal((await row(db.sql, 'moving', 'other')).n, 1)
      await db.sql`delete from session where sid = 'moving'`
      await store.set('moving', session)
      assert.equal(await row(db.sql, 'moving'), undefined, 'the store that gave it still knows')
    }),
  )
})

test('an instance for reading from standbys lends the store no wish for one', async () => {
  const sql = postgres(db.url, { target_session_attrs: 'standby' })
  await withStore({ postgres: sql, timeout: 2 }, async (store) => {
    await store.set('primary', sessionOf({ n: 1 }))
    assert.equal(((await store.get('primary')) as any).n, 1)
  })
  await sql.end({ timeout: 1 })
})

test('rows that were not asked for serve nobody: STORE_MISMATCH', async () => {
  const own = postgres(db.url, { max: 1 })
  await withStore({ conString: db.url }, (store) => store.set('victim', sessionOf({ user: 'victim' })))
  const answers: Record<string, (text: string) => string> = {
    'the row of another': (text) =>
      text.replace(
        /s\.sid = any\(.*?\)::text\[\]\)/,
        "$1::text || $2::text is not null and s.sid = 'victim'",
      ),
    'a row twice, once in the place of another': (text) =>
      /\*\/\s*select s\./.test(text) ? `${text} union all ${text}` : text,
    'columns of another statement': (text) =>
      /for|insert/.test(text) ? text : text.replace(/select .*\n.*from/, 'select s.sid::text from'),
  }
  for (const [name, change] of Object.entries(answers)) {
    const wrapper = Object.assign(() => {}, {
      unsafe: (text: string, ...rest: any[]) => (own.unsafe as any)(change(text), ...rest),
      begin() {},
      end() {},
    })
    await withStore({ postgres: wrapper as unknown as Sql, isolate: false }, async (store) => {
      const asked = name === 'the row of another' ? 'somebody' : 'victim'
      const error = await failure(store.get(asked))
      assert.equal(error.code, 'STORE_MISMATCH', name)
      assert.doesNotMatch(JSON.stringify(error) + error.message, /victim/)
    })
  }
  await own.end()
})

test('a result that is not whole is a mismatch, not an absent session', async () => {
  const whole = { count: 0, columns: [{}, {}, {}], command: 'SELECT' }
  const results = {
    'a row is missing': { ...whole, count: 1 },
    'it has not ended': { ...whole, command: null },
  }
  for (const [name, properties] of Object.entries(results)) {
    const wrapper = Object.assign(() => {}, {
      unsafe: (text: string) => ({
        values: async () =>
          /pg_is_in_recovery\(\)::text/.test(text) ? [['false', '0']] : Object.assign([], properties),
      }),
      begin() {},
      end() {},
    })
    await withStore({ postgres: wrapper as unknown as Sql, isolate: false }, async (store) => {
      assert.equal((await failure(store.get('a'))).code, 'STORE_MISMATCH', name)
    })
  }
})

test('no connection is left behind', () => db.drop())

/** What the app can see of its instance's settings. */
function snapshot(sql: Sql<any>): string {
  return JSON.stringify(sql.options, (_key, value) => (typeof value === 'function' ? String(value) : value))
}
