// Every verb through PgBouncer, in each of its modes, with fewer connections to the server than to itself, and
// through Pgpool-II.

import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import postgres from 'postgres'
import { database, tableSql } from '../support/database.ts'
import { noPooler, startPooler } from '../support/pgbouncer.ts'
import { noPgpool, pgpoolVersion, startPgpool } from '../support/pgpool.ts'
import { promises } from '../support/promise.ts'
import { sessionOf, withStore } from '../support/store.ts'
import { ownServer } from '../support/template.ts'

const test = promises('poolers')

type Server = Awaited<ReturnType<typeof ownServer>>

for (const prepare of [true, false]) {
  const way = `${prepare ? 'with' : 'without'} prepared statements`
  for (const mode of ['session', 'transaction', 'statement'] as const) {
    test(
      `every verb works through PgBouncer in ${mode} mode, ${way}`,
      async () => {
        const db = await database(`pooler_${mode}_${prepare}`)
        // In session mode a connection of the store is one of the server.
        const pooler = await startPooler(db.url, mode === 'session' ? 4 : 2, undefined, mode)
        try {
          await everyVerb(pooler.url, prepare)
        } finally {
          await pooler.stop()
          await db.drop()
        }
      },
      { seconds: 60, skip: noPooler() },
    )
  }

  test(
    `every verb works through Pgpool-II, ${way}`,
    async () => {
      const db = await database(`pgpool_${prepare}`)
      const pool = await startPgpool([db.url])
      try {
        await everyVerb(pool.url, prepare)
        console.log(`Pgpool-II ${pgpoolVersion()}`)
      } finally {
        await pool.stop()
        await db.drop()
      }
    },
    { seconds: 60, skip: noPgpool() },
  )
}

/** A server with the table, behind a pooler. @param show is given a store's way to it */
function behindPgBouncer(promise: string, show: (server: Server, conString: string) => Promise<void>): void {
  test(
    promise,
    async () => {
      const server = await ownServer()
      const pooler = await startPooler(server.url, 2)
      try {
        const own = postgres(server.url, { max: 1 })
        await own.unsafe(tableSql)
        await own.end()
        await show(server, pooler.url)
      } finally {
        await pooler.stop()
        await server.stop()
      }
    },
    { seconds: 60, skip: noPooler() },
  )
}

behindPgBouncer(
  'what PgBouncer refuses while its server is away is tried again, and succeeds when that is back',
  async (server, conString) => {
    await server.down('SIGINT')
    await withStore({ conString, timeout: 40, errorLog() {} }, async (store) => {
      const reading = store.get('a')
      const isRefused = () => store.stats().retries > 0
      while (!isRefused()) await pause(20)
      await server.up()
      assert.equal(await reading, null)
    })
  },
)

behindPgBouncer(
  'a server that became a standby behind PgBouncer is read no more',
  async (server, conString) => {
    // It keeps the connection to PgBouncer all the time.
    await withStore({ conString, max: 1, timeout: 40, errorLog() {} }, async (store) => {
      await store.set('a', sessionOf())
      await server.down('SIGINT')
      writeFileSync(join(server.data, 'standby.signal'), '')
      // Which ends when it is the primary again.
      const up = server.up()
      up.catch(() => {})
      const admin = postgres(server.url, { max: 1, onnotice() {} })
      while (!(await admin`select 1`.catch(() => undefined))) await pause(50)
      const reading = store.get('a')
      assert.equal(await Promise.race([reading.then(() => 'served'), pause(1000)]), undefined)
      await admin`select pg_promote()`
      await admin.end()
      await up
      assert.notEqual(await reading, null)
    })
  },
)

for (const [way, settings] of Object.entries({
  'chooses a server for each connection': '',
  'chooses one for each statement': 'statement_level_load_balance = on',
  'caches what was read': 'memory_cache_enabled = on',
  'takes no notice of comments, but of the name of its connections': `
statement_level_load_balance = on
allow_sql_comments = on
app_name_redirect_preference_list = 'connect-postgres-simple:primary'`,
}))
  test(
    `the store reads nothing from a standby where Pgpool-II ${way}`,
    async () => {
      const primary = await ownServer()
      const own = postgres(primary.url, { max: 1 })
      await own.unsafe(tableSql)
      await own.end()
      await primary.down('SIGINT')
      const standby = await ownServer({ follow: primary })
      await primary.up()
      const behind = postgres(standby.url, { max: 1 })
      const pool = await startPgpool([primary.url, standby.url], settings)
      try {
        // What is read there is old.
        await behind`select pg_wal_replay_pause()`
        // Pgpool-II throws a die for each connection.
        for (let connection = 0; connection < 10; connection++)
          await withStore({ conString: pool.url, max: 1 }, async (store) => {
            for (let n = 0; n < 10; n++) {
              await store.set('a', sessionOf({ n }))
              assert.equal(((await store.get('a')) as any)?.n, n)
            }
            await store.destroy('a')
            assert.equal(await store.get('a'), null)
          })
      } finally {
        await pool.stop()
        await behind.end()
        await standby.stop()
        await primary.stop()
      }
    },
    { seconds: 60, skip: noPgpool() },
  )

async function everyVerb(url: string, prepare: boolean): Promise<void> {
  const instance = postgres(url, { prepare, max: 1 })
  const options = { postgres: instance, createTableIfMissing: true, onConflict: 'merge' } as const
  try {
    await withStore(options, async (store) => {
      const sids = Array.from({ length: 200 }, (_, n) => `sid-${n}`)
      await Promise.all(sids.map((sid, n) => store.set(sid, sessionOf({ n }))))
      for (let round = 0; round < 5; round++) {
        const found = await Promise.all(sids.map((sid) => store.get(sid)))
        assert.deepEqual(
          found.map((session: any) => session.n),
          sids.map((_, n) => n),
        )
        await Promise.all(sids.map((sid) => store.touch(sid, sessionOf())))
      }
      const [one, other] = (await Promise.all([store.get('sid-1'), store.get('sid-1')])) as any[]
      await store.set('sid-1', Object.assign(one, { a: 1 }))
      await store.set('sid-1', Object.assign(other, { b: 2 }))
      const { a, b } = (await store.get('sid-1')) as any
      assert.deepEqual([a, b], [1, 2])
      await store.destroy('sid-0')
      await store.set('old', sessionOf({}, -60))
      assert.equal(await store.pruneSessions(), 1)
      assert.equal(await store.length(), 199)
      assert.equal((await store.ids()).length, 199)
      assert.equal((await store.all()).length, 199)
      await store.clear()
      assert.equal(await store.length(), 0)
    })
  } finally {
    await instance.end()
  }
}
