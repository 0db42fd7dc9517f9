// Servers that speak PostgreSQL without all of it: no advisory locks, no places of rows (`ctid`), one
// connection.

import assert from 'node:assert/strict'
import { PGlite } from '@electric-sql/pglite'
import { PGLiteSocketServer } from '@electric-sql/pglite-socket'
import postgres from 'postgres'
import { database, serverMajor, tableSql } from '../support/database.ts'
import { failure } from '../support/failure.ts'
import { promises } from '../support/promise.ts'
import { sessionOf, withStore } from '../support/store.ts'

const test = promises('engines')
const major = await serverMajor()

const expired = (prefix: string, count: number, ago: string) => `
  insert into session
  select '${prefix}-' || n, '{"cookie":{}}', now() - interval '${ago}' - n * interval '1 second'
  from generate_series(1, ${count}) n`

// Taken away from the server, so that it answers by itself what such an engine does.
const refusals: Record<string, { code: string; sql: string; user?: string; since?: number }> = {
  'there is no advisory lock': {
    code: '42883',
    sql: 'alter function pg_catalog.pg_try_advisory_xact_lock(int, int) rename to gone',
  },
  'advisory locks are not supported': {
    code: '0A000',
    sql: `
      set allow_system_table_mods = on;
      alter function pg_catalog.pg_try_advisory_xact_lock(int, int) rename to gone;
      create function pg_catalog.pg_try_advisory_xact_lock(int, int) returns boolean language plpgsql as
        $$ begin raise exception 'advisory locks are not yet implemented' using errcode = '0A000'; end $$;
      reset allow_system_table_mods`,
    since: 13,
  },
  'nobody may take an advisory lock': {
    code: '42501',
    sql: 'revoke execute on function pg_catalog.pg_try_advisory_xact_lock(int, int) from public',
    user: 'engines_plain',
  },
}

for (const [name, { code, sql, user, since = 0 }] of Object.entries(refusals)) {
  test(
    `where ${name} (${code}), expired rows are pruned all the same, by several instances`,
    async () => {
      const db = await database(`engines_${code}`)
      await db.sql.unsafe(tableSql)
      await db.sql.unsafe(sql)
      const url = new URL(db.url)
      if (user) {
        await db.sql.unsafe(`create role ${user} login password 'plain'; grant all on session to ${user}`)
        url.username = user
        url.password = 'plain'
      }
      const own = postgres(url.href, { max: 1 })
      assert.equal((await failure(own`select pg_catalog.pg_try_advisory_xact_lock(1, 2)`)).code, code)
      await own.end()
      const at = { conString: url.href, errorLog: () => assert.fail('nothing to say') }
      await withStore(at, async (store) => {
        await db.sql.unsafe(expired('dead', 2500, '1 hour'))
        await store.set('live', sessionOf())
        assert.equal(await store.pruneSessions(), 2500)
        await db.sql.unsafe(expired('dead', 2500, '1 hour'))
        const counts = await withStore(at, (other) =>
          Promise.all([store.pruneSessions(), other.pruneSessions()]),
        )
        assert.equal(counts[0] + counts[1], 2500)
        assert.deepEqual(await store.ids(), ['live'])
      })
      await withStore({ ...at, errorLog() {} }, async (store) => {
        await db.sql.unsafe(expired('dead', 20, '1 hour'))
        await db.sql.begin(async (sql) => {
          await sql`select from session where sid = 'dead-7' for update`
          assert.equal(await store.pruneSessions(), 19, 'all but the one that is locked')
        })
        assert.equal(await store.pruneSessions(), 1)
      })
      if (user) await db.sql.unsafe(`drop owned by ${user}; drop role ${user}`)
      await db.drop()
    },
    {
      skip:
        major < since
          ? `before PostgreSQL ${since} a catalogue is not to be changed by a setting`
          : undefined,
    },
  )
}

test('where rows have no place (42703), they are pruned by expiry', async () => {
  const db = await database('engines_places')
  await db.sql.unsafe(tableSql)
  await db.sql.unsafe(
    'alter table session rename to stored; create view session as select sid, sess, expire from stored',
  )
  assert.equal((await failure(db.sql`select ctid from session`)).code, '42703')
  await db.sql.unsafe(expired('dead', 2500, '1 hour'))
  await withStore({ conString: db.url }, async (store) => {
    await store.set('live', sessionOf())
    assert.equal(await store.pruneSessions(), 2500)
    assert.deepEqual(await store.ids(), ['live'])
  })
  await db.drop()
})

test('without the rights to the table, pruning fails with what the server says', async () => {
  const db = await database('engines_rights')
  await db.sql.unsafe(
    `${tableSql}; create role engines_reader login password 'plain'; grant select on session to engines_reader`,
  )
  const url = Object.assign(new URL(db.url), { username: 'engines_reader', password: 'plain' })
  await withStore({ conString: url.href }, async (store) => {
    assert.equal((await failure(store.pruneSessions())).code, '42501')
    await db.sql`grant all on session to engines_reader`
    await db.sql.unsafe(expired('dead', 5, '1 hour'))
    assert.equal(await store.pruneSessions(), 5)
  })
  await db.sql.unsafe('drop owned by engines_reader; drop role engines_reader')
  await db.drop()
})

for (const max of [1, 4]) {
  test(
    `on PGlite every verb works, over ${max === 1 ? 'its one connection' : `${max} connections of its server`}`,
    async () => {
      const db = await PGlite.create()
      const server = new PGLiteSocketServer({ db, port: 0, host: '127.0.0.1', maxConnections: max })
      await server.start()
      try {
        const conString = `postgres://postgres@${server.getServerConn()}/postgres`
        await withStore(
          { conString, max, createTableIfMissing: true, onConflict: 'merge' },
          async (store) => {
            const sids = Array.from({ length: 200 }, (_, i) => `sid-${1000 + i}`)
            await Promise.all(sids.map((sid, n) => store.set(sid, sessionOf({ n }))))
            const read = (await Promise.all(sids.map((sid) => store.get(sid)))) as any[]
            assert.deepEqual(
              read.map(({ n }) => n),
              sids.map((_, n) => n),
            )
            read[0].more = true
            await store.set('sid-1000', read[0])
            assert.equal(((await store.get('sid-1000')) as any).more, true)
            await store.touch('sid-1001', sessionOf({}, 5000))
            assert.ok(
              new Date(((await store.get('sid-1001')) as any).cookie.expires).getTime() > Date.now() + 4e6,
            )
            await store.destroy('sid-1002')
            assert.equal(await store.get('sid-1002'), null)
            assert.equal(await store.length(), 199)
            assert.equal((await store.all()).length, 199)
            assert.equal((await store.ids()).length, 199)
            await db.exec(expired('dead', 2500, '1 hour'))
            assert.equal(await store.pruneSessions(), 2500)
            await store.clear()
            assert.equal(await store.length(), 0)
          },
        )
      } finally {
        await server.stop()
        await db.close()
      }
    },
    { seconds: 60 },
  )
}
