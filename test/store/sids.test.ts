// Tables that people made themselves, with columns of other types than in table.sql: beside
// connect-pg-simple, which leaves their meaning to the server.

import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import session from 'express-session'
import postgres, { type Sql } from 'postgres'
import { database } from '../support/database.ts'
import { failure } from '../support/failure.ts'
import { incumbent } from '../support/incumbent.ts'
import { promises } from '../support/promise.ts'
import { sessionOf, withStore } from '../support/store.ts'

const db = await database('sids')
const test = promises('sids')

await db.sql`create extension citext`
await db.sql`create domain email as citext`
await db.sql`create collation loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false)`

/** Of a table, which a type cannot have as well. */
const of = (kind: string) => `of ${kind}`
const create = (tableName: string, sid: string, sess = 'json', expire = 'timestamp(6)') =>
  db.sql.unsafe(
    `create table "${tableName}" (sid ${sid} not null primary key, sess ${sess} not null, expire ${expire} not null)`,
  )
const at = (tableName: string) => ({ conString: db.url, tableName })

// Another spelling of a sid: one by which connect-pg-simple finds the same row, or none.
const kinds: Record<string, { column: string; respell?: (sid: string) => string; sid?: () => string }> = {
  uuid: { column: 'uuid', respell: (sid) => sid.toUpperCase() },
  citext: { column: 'citext', respell: (sid) => sid.toUpperCase() },
  'a domain of citext': { column: 'email', respell: (sid) => sid.toUpperCase() },
  'a case-insensitive collation': { column: 'varchar collate loose', respell: (sid) => sid.toUpperCase() },
  'char(40)': { column: 'char(40)', respell: (sid) => `${sid}  ` },
  text: { column: 'text' },
  'varchar(255)': { column: 'varchar(255)' },
  name: { column: 'name' },
  bigint: { column: 'bigint', sid: () => String(Math.floor(Math.random() * 1e15)) },
}

for (const [kind, { column, respell = (sid: string) => sid, sid = randomUUID }] of Object.entries(kinds)) {
  test(`sids of ${kind}: every verb works from the first operation on, by any spelling`, async () => {
    const name = of(kind)
    await create(name, column)
    const theirs = incumbent(db.url, { tableName: name })
    const a = sid()
    await theirs.set(a, sessionOf({ n: 1 }))
    const first: Record<string, (store: any) => Promise<unknown>> = {
      get: async (store) => assert.equal((await store.get(respell(a))).n, 1),
      touch: (store) => store.touch(respell(a), sessionOf({}, 3000)),
      set: (store) => store.set(respell(a), sessionOf({ n: 1 })),
      all: async (store) => assert.deepEqual((await store.all()).length, 1),
      destroy: (store) => store.destroy(respell(sid())),
    }
    for (const operation of Object.values(first)) await withStore(at(name), operation)
    assert.equal(await count(name), 1)

    for (const onConflict of ['overwrite', 'merge'] as const) {
      await withStore({ ...at(name), onConflict }, async (store) => {
        const loaded = (await store.get(respell(a))) as any
        loaded.n++
        await store.set(respell(a), loaded)
        loaded.n++
        await store.set(respell(a), loaded)
        assert.equal((await theirs.get(respell(a))).n, loaded.n)
        await store.touch(respell(a), sessionOf({}, 5000))
        const { cookie } = (await store.get(a)) as any
        assert.ok(new Date(cookie.expires).getTime() - Date.now() > 4_000_000)
      })
    }
    await withStore(at(name), async (store) => {
      const sids = Array.from({ length: 300 }, sid)
      await Promise.all(sids.map((each, n) => store.set(each, sessionOf({ n }))))
      const read = (await Promise.all(sids.map((each) => store.get(respell(each))))) as any[]
      assert.deepEqual(
        read.map(({ n }) => n),
        sids.map((_, n) => n),
        'each its own',
      )
      const [one, other] = (await Promise.all([store.get(a), store.get(respell(a))])) as any[]
      assert.deepEqual([one.n, other.n], [5, 5], 'two spellings in one batch')
      assert.equal(await store.get(sid()), null)
      assert.equal((await store.all()).length, 301, 'in pages')
      assert.deepEqual(new Set(await store.ids()), new Set([a, ...sids]))
      assert.equal(await store.length(), 301)
      await Promise.all([
        store.destroy(respell(a)),
        ...sids.slice(1).map((each) => store.destroy(respell(each))),
      ])
      assert.deepEqual(await store.ids(), [sids[0]])
      await store.set(a, sessionOf({}, -60))
      assert.equal(await store.pruneSessions(), 1)
      await store.clear()
      assert.equal(await count(name), 0)
    })
    await theirs.close()
  })
}

/** An instance that tells what it was asked. */
function spy() {
  const own = postgres(db.url, { max: 1 })
  const asked: string[] = []
  const unsafe = (text: string, ...rest: any[]) => {
    asked.push(text)
    return (own.unsafe as any)(text, ...rest)
  }
  const sql = Object.assign(() => {}, { unsafe, begin() {}, end() {} }) as unknown as Sql
  return { asked, sql, own }
}

test('a search by a sid of such a type uses the index of its own', async () => {
  const { asked, sql, own } = spy()
  for (const type of ['uuid', 'citext', 'char(40)', 'varchar(255)']) {
    const name = `searched ${type}`
    await create(name, type)
    await db.sql.unsafe(`
      insert into "${name}" select gen_random_uuid(), '{}', now() from generate_series(1, 20000); analyze "${name}"`)
    await withStore({ postgres: sql, isolate: false, tableName: name }, async (store) => {
      const sid = randomUUID()
      await store.get(sid)
      await store.touch(sid, sessionOf())
      await store.destroy(sid)
      const [touch, destroy] = asked.slice(-2)
      const get = asked.filter((text) => text.includes('s.sess::text')).at(-1)
      for (const [text, values] of [
        [get, ['\x01', sid, '0']],
        [touch, ['\x01', sid, '9999999999', '250', '0', '0']],
        [destroy, ['\x01', sid, '9999999999', '250']],
      ] as const) {
        const plan = await db.sql.unsafe(`explain ${text}`, values as any)
        const lines = plan.map((line) => line['QUERY PLAN']).join('\n')
        assert.match(lines, /_pkey/)
        assert.doesNotMatch(lines, /Seq Scan on "searched/)
      }
    })
  }
  await own.end()
})

test('on a table as table.sql makes it the catalogue is not asked, nor is anything cast', async () => {
  const { asked, sql, own } = spy()
  await create('plain', 'varchar')
  await withStore({ postgres: sql, isolate: false, tableName: 'plain' }, async (store) => {
    await store.set('a', sessionOf())
    await store.touch('a', sessionOf({}, 900))
    await store.get('a')
    await store.destroy('a')
  })
  assert.equal(asked.length, 5, 'a greeting and one statement for each')
  await own.end()
})

test('a sid that the type of the column refuses is an error that says what it needs, of that one only', async () => {
  await create('refusing', 'uuid')
  await withStore(at('refusing'), async (store) => {
    const sid = randomUUID()
    const [good, bad] = await Promise.allSettled([
      store.set(sid, sessionOf()),
      store.set('no-uuid', sessionOf()),
    ])
    assert.equal(good.status, 'fulfilled')
    const { reason } = bad as PromiseRejectedResult
    assert.equal(reason.code, '22P02')
    assert.match(reason.message, /"sid" is of type uuid.*genid/)
    assert.doesNotMatch(reason.message, /no-uuid/)
    assert.equal((await failure(store.get('no-uuid'))).code, '22P02')
    assert.ok(await store.get(sid))
  })
})

test('a type that has no equality is an error that names the column and the type', async () => {
  await db.sql`create table pointed (sid point not null, sess json not null, expire timestamp(6) not null)`
  await withStore(at('pointed'), async (store) => {
    const error = await failure(store.get('a'))
    assert.match(error.message, /"sid" is of type point; .*varchar/)
  })
})

test('a column that is given another type while the store works is followed', async () => {
  await create('moving', 'varchar')
  await withStore(at('moving'), async (store) => {
    const sid = randomUUID()
    await store.set(sid, sessionOf({ n: 1 }))
    for (const type of ['text', 'uuid', 'citext', 'varchar(99)']) {
      await db.sql.unsafe(`alter table moving alter sid type ${type} using sid::text::${type}`)
      assert.equal(((await store.get(sid)) as any).n, 1, type)
      await store.touch(sid, sessionOf())
      await store.set(sid, sessionOf({ n: 1 }))
    }
  })
})

for (const [sess, expire] of [
  ['jsonb', 'timestamptz'],
  ['text', 'timestamp(6)'],
  ['json', 'timestamptz'],
] as const) {
  test(`a session of ${sess} with an expiry of ${expire} works as with connect-pg-simple`, async () => {
    const tableName = `${sess}, ${expire}`
    await create(tableName, 'varchar', sess, expire)
    const theirs = incumbent(db.url, { tableName })
    await withStore({ ...at(tableName), onConflict: 'merge' }, async (store) => {
      await store.set('a', sessionOf({ n: 1 }))
      if (sess !== 'text') assert.equal((await theirs.get('a')).n, 1)
      const loaded = (await store.get('a')) as any
      loaded.n++
      await store.set('a', loaded)
      await store.touch('a', sessionOf({}, 5000))
      assert.equal(((await store.all())[0] as any).n, 2)
      await store.set('dead', sessionOf({}, -5))
      assert.equal(await store.pruneSessions(), 1)
      assert.equal(await store.length(), 1)
      await store.destroy('a')
      assert.equal(await store.length(), 0)
    })
    await theirs.close()
  })
}

test('a session that express-session has just made is stored where saves are compared, whatever the type of the sids', async () => {
  await db.sql`create table newcomers (sid uuid primary key, sess json not null, expire timestamp(6) not null)`
  for (const onConflict of ['merge', 'error'] as const)
    await withStore({ conString: db.url, tableName: 'newcomers', onConflict }, async (store) => {
      const sid = randomUUID()
      const made = new (session.Session as any)({ sessionID: sid, sessionStore: store }, sessionOf({ n: 1 }))
      await store.set(sid, made)
      await store.set(sid, Object.assign(made, { n: 2 }))
      assert.equal(((await store.get(sid)) as any).n, 2)
    })
})

test('two spellings of one sid at once fail nobody, beside 60 others', async () => {
  await db.sql`create table spellings (sid uuid primary key, sess json not null, expire timestamp(6) not null)`
  await withStore({ conString: db.url, tableName: 'spellings', onConflict: 'merge' }, async (store) => {
    const sid = randomUUID()
    const others = Array.from({ length: 60 }, () => randomUUID())
    for (const each of [sid, ...others]) await store.set(each, sessionOf())
    const loaded = [await store.get(sid), await store.get(sid.toUpperCase())]
    await Promise.all([
      store.set(sid, Object.assign(loaded[0] as object, { a: 1 }) as any),
      store.set(sid.toUpperCase(), Object.assign(loaded[1] as object, { b: 2 }) as any),
      ...others.map((each) => store.set(each, sessionOf({ n: 1 }))),
    ])
    const { a, b } = (await store.get(sid)) as any
    assert.deepEqual([a, b], [1, 2])
  })
})

test('a sid that has two rows is an error of its own, not of those who ask beside it', async () => {
  await db.sql.unsafe(`
    create table twice (sid varchar, sess json not null, expire timestamp(6) not null);
    insert into twice select 'twice', '{"cookie":{}}', now() + interval '1 hour' from generate_series(1, 2);
    insert into twice select 'once-' || n, '{"cookie":{}}', now() + interval '1 hour' from generate_series(1, 50) n`)
  await withStore({ conString: db.url, tableName: 'twice' }, async (store) => {
    const twice = failure(store.get('twice'))
    const all = await Promise.all(Array.from({ length: 50 }, (_, i) => store.get(`once-${i + 1}`)))
    assert.ok(all.every((each) => each))
    assert.equal((await twice).code, 'STORE_MISMATCH')
  })
})

test('no connection is left behind', () => db.drop())

async function count(table: string): Promise<number> {
  const [row] = await db.sql`select count(*)::int from ${db.sql(table)}`
  return row?.['count']
}
