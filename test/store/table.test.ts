// The table: its definition, its creation by many at once, and its names.

import assert from 'node:assert/strict'
import connectPgSimple from 'connect-pg-simple'
import session from 'express-session'
import pg from 'pg'
import postgres from 'postgres'
import { ddl } from '../../src/table/ddl.ts'
import { database, tableSql } from '../support/database.ts'
import { failure } from '../support/failure.ts'
import { gather, worker } from '../support/processes.ts'
import { promises } from '../support/promise.ts'
import { sessionOf, withStore } from '../support/store.ts'

const db = await database('table')
const test = promises('table')

const creating = (options: object = {}) => ({ conString: db.url, createTableIfMissing: true, ...options })

/** Everything that the catalogue knows of the tables of a schema, but their names. */
async function definition(schema: string): Promise<unknown> {
  const columns = await db.sql`
    select table_name, column_name, data_type, datetime_precision, character_maximum_length, is_nullable, column_default,
      collation_name
    from information_schema.columns where table_schema = ${schema} order by table_name, ordinal_position`
  const indexes =
    await db.sql`select tablename, indexname, indexdef from pg_indexes where schemaname = ${schema} order by 2`
  const constraints = await db.sql`
    select conname, contype, condeferrable, pg_get_constraintdef(oid) from pg_constraint
    where connamespace = ${schema}::regnamespace and contype <> 'n' order by 1`
  return JSON.parse(JSON.stringify([columns, indexes, constraints]).replaceAll(`${schema}.`, ''))
}

test('table.sql is what the store itself creates, to the letter', () => {
  assert.equal(tableSql, ddl('"session"', '"IDX_session_expire"'))
})

test('the table is that of connect-pg-simple, with the same names', async () => {
  await db.sql`create schema ours`
  await db.sql`create schema theirs`
  await withStore(creating({ schemaName: 'ours' }), (store) => store.createTable())
  const pool = new pg.Pool({ connectionString: db.url })
  const Incumbent = connectPgSimple(session)
  const incumbent = new Incumbent({
    pool,
    schemaName: 'theirs',
    createTableIfMissing: true,
    pruneSessionInterval: false,
  })
  await new Promise((resolve) => incumbent.get('x', resolve))
  await incumbent.close()
  await pool.end()
  assert.deepEqual(await definition('ours'), await definition('theirs'))
})

test(
  'twenty processes that start at once on an empty database all work, on one table',
  async () => {
    const own = await database('table_twenty')
    try {
      const results = await gather(
        Array.from({ length: 20 }, (_, i) => worker('create-table', { url: own.url, sid: `sid-${i}` })),
      )
      assert.deepEqual(
        results,
        Array.from({ length: 20 }, () => 'stored'),
      )
      assert.equal((await own.sql`select from session`).length, 20)
      assert.equal(
        (await own.sql`select from pg_class where relkind = 'r' and relname = 'session'`).length,
        1,
      )
      assert.equal((await own.sql`select from pg_indexes where tablename = 'session'`).length, 2)
    } finally {
      await own.drop()
    }
  },
  { seconds: 120 },
)

test('many stores in one process, on many connections, create it once and all work', async () => {
  for (let round = 0; round < 10; round++) {
    const schemaName = `round_${round}`
    await db.sql`create schema ${db.sql(schemaName)}`
    await Promise.all(
      Array.from({ length: 8 }, (_, i) =>
        withStore(creating({ schemaName }), (store) => store.set(`sid-${i}`, sessionOf())),
      ),
    )
    const [{ count }] = (await db.sql`select count(*)::int from ${db.sql(schemaName)}.session`) as any
    assert.equal(count, 8)
  }
})

test('two tables in one schema have each their own key and index', async () => {
  await db.sql`create schema two`
  for (const tableName of ['session', 'other']) {
    await withStore(creating({ schemaName: 'two', tableName }), (store) => store.set('a', sessionOf()))
  }
  const indexes = await db.sql`select indexname from pg_indexes where schemaname = 'two' order by indexname`
  assert.deepEqual(
    indexes.map(({ indexname }) => indexname),
    ['IDX_other_expire', 'IDX_session_expire', 'other_pkey', 'session_pkey'],
  )
})

test('an index name that another table has taken does not keep the table from being created', async () => {
  await db.sql`create schema taken`
  await db.sql`create table taken.other (a int constraint session_pkey primary key)`
  await db.sql`create index "IDX_session_expire" on taken.other (a)`
  await withStore(creating({ schemaName: 'taken' }), (store) => store.set('a', sessionOf()))
  const indexes =
    await db.sql`select indexdef from pg_indexes where schemaname = 'taken' and tablename = 'session'`
  assert.equal(indexes.filter(({ indexdef }) => indexdef.includes('(expire)')).length, 1)
  assert.equal(indexes.length, 2)
})

test('when the name itself is taken by what is no table, the error says so', async () => {
  await db.sql`create schema typed`
  await db.sql`create type typed.session as enum ('a')`
  assert.match(
    (await failure(withStore(creating({ schemaName: 'typed' }), (store) => store.createTable()))).code,
    /^42/,
  )
})

test('a first creation that fails is tried again at the next operation', () =>
  withStore(creating({ schemaName: 'late' }), async (store) => {
    assert.equal((await failure(store.get('a'))).code, '3F000')
    await db.sql`create schema late`
    await store.set('a', sessionOf())
    assert.equal(await store.length(), 1)
  }))

test('a table that is dropped under the store is created again', () =>
  withStore(creating({ schemaName: 'dropped' }), async (store) => {
    await db.sql`create schema dropped`
    await store.set('a', sessionOf())
    await db.sql`drop table dropped.session`
    assert.equal((await failure(store.get('a'))).code, '42P01')
    await store.set('b', sessionOf())
    assert.deepEqual(await store.ids(), ['b'])
  }))

test('an operation waits for the table as long as it may, also if a health check began to create it', () =>
  withStore(creating({ tableName: 'slow', max: 1 }), async (store) => {
    await store.get('a')
    await db.sql`drop table slow`
    assert.equal((await failure(store.get('a'))).code, '42P01')
    const saved = await db.sql.begin(async (holder) => {
      // Whoever creates it now waits for this one's name.
      await holder`create table slow (unlike int)`
      const health = store.health()
      const set = store.set('a', sessionOf())
      assert.equal((await health).code, 'STORE_TIMEOUT')
      await holder`drop table slow`
      return [set]
    })
    await saved[0]
    assert.equal((await db.sql`select from slow`).length, 1)
  }))

test('without createTableIfMissing nothing is created, and the error says what to do', () =>
  withStore({ conString: db.url, schemaName: 'ours', tableName: 'absent' }, async (store) => {
    const error = await failure(store.get('a'))
    assert.equal(error.code, '42P01')
    assert.match(error.message, /table\.sql.*createTableIfMissing/)
    assert.equal((await db.sql`select to_regclass('ours.absent') as found`)[0]?.['found'], null)
  }))

test('no DDL is sent when the table is there', async () => {
  await db.sql`create schema there`
  await db.sql.unsafe(`set search_path = there; ${tableSql}; reset search_path`)
  await db.sql`revoke create on schema there from public`
  await db.sql`create role plain login password 'plain'`
  await db.sql`grant usage on schema there to plain`
  await db.sql`grant select, insert, update, delete on there.session to plain`
  const url = new URL(db.url)
  url.username = 'plain'
  url.password = 'plain'
  await withStore(creating({ conString: url.href, schemaName: 'there' }), async (store) => {
    await store.createTable()
    await store.set('a', sessionOf())
    assert.equal(await store.length(), 1)
    assert.equal(await store.pruneSessions(), 0)
  })
  await db.sql`drop owned by plain`
  await db.sql`drop role plain`
})

test('names with quotes, dots, capitals, dollars, and of any length are names', async () => {
  // The others that tests have made by now.
  await db.sql`drop schema public cascade`
  await db.sql`create schema public`
  const names = [
    'My.Sessions',
    'user',
    'a"b',
    `it's`,
    'a$$b',
    '$1',
    'a\\b',
    'sessions; drop table x',
    'é€😀',
    ' ',
    'x'.repeat(63),
    `x${'y'.repeat(69)}`,
    'é'.repeat(40),
  ]
  for (const tableName of names) {
    for (const schemaName of [undefined, `S.${tableName}`]) {
      if (schemaName) await db.sql.unsafe(`create schema "${schemaName.replaceAll('"', '""')}"`)
      await withStore(creating({ tableName, ...(schemaName && { schemaName }) }), async (store) => {
        await store.set('a', sessionOf({ tableName }))
        assert.equal(((await store.get('a')) as any).tableName, tableName, tableName)
        await store.touch('a', sessionOf({}, 30))
        assert.equal(await store.length(), 1, tableName)
        assert.equal(await store.pruneSessions(), 0)
        await store.destroy('a')
        assert.equal(await store.length(), 0)
      })
    }
  }
  const made =
    await db.sql`select relname from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace`
  assert.deepEqual(new Set(made.map(({ relname }) => relname)), new Set(names.map((name) => cut(name))))
})

test('a backslash in a name means itself, whatever standard_conforming_strings says', async () => {
  const sql = postgres(db.url, { connection: { standard_conforming_strings: 'off' } as object })
  await withStore({ postgres: sql, createTableIfMissing: true, tableName: 'back\\slash' }, async (store) => {
    await store.set('a', sessionOf())
    assert.equal(await store.pruneSessions(), 0)
  })
  assert.equal((await db.sql`select from pg_class where relname = ${'back\\slash'}`).length, 1)
  await sql.end()
})

test('a"."b is a schema and a table, as in connect-pg-simple', async () => {
  await db.sql`create schema legacy`
  await withStore(creating({ tableName: 'legacy"."old' }), (store) => store.set('a', sessionOf()))
  assert.equal((await db.sql`select from legacy.old`).length, 1)
  assert.equal((await db.sql`select from pg_indexes where indexname = 'IDX_old_expire'`).length, 1)
})

test('no connection is left behind', () => db.drop())

/** PostgreSQL keeps the first 63 bytes of a name, whole characters. */
function cut(name: string): string {
  let short = name
  while (Buffer.byteLength(short) > 63) short = [...short].slice(0, -1).join('')
  return short
}
