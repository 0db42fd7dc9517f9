// Moving over from other stores, by the very code that docs/moving.md shows, and by what README says of
// connect-pg-simple. Users log in with the one store, and go on with the other.

import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import type { Store as AnyStore } from 'express-session'
import pg from 'pg'
import { freePort } from '../../server/postgres.js'
import { browser, serve } from '../support/app.ts'
import { type Database, database, tableSql } from '../support/database.ts'
import { incumbent } from '../support/incumbent.ts'
import { installed, root, run } from '../support/installed.ts'
import { promises } from '../support/promise.ts'
import { Store } from '../support/store.ts'

const place = await installed('test/moving')
const require = createRequire(join(place.path, 'package.json'))
const test = promises('moving')

/** The code under a heading of docs/moving.md. */
function recipe(heading: string): string {
  const text = readFileSync(join(root, 'docs/moving.md'), 'utf8')
  const [, code] = new RegExp(`^## ${heading}$.*?^\`\`\`\\w+\\n(.*?)^\`\`\`$`, 'ms').exec(text) ?? []
  assert.ok(code, `docs/moving.md has code under ${heading}`)
  return code
}

/** As psql sends it. postgres.js takes no `begin` on one of several connections. */
async function runSql(db: Database, sql: string): Promise<void> {
  const client = new pg.Client(db.url)
  await client.connect()
  await client.query(sql)
  await client.end()
}

interface Other {
  readonly store: AnyStore
  close(): Promise<unknown>
}

const hour = { session: { cookie: { maxAge: 3_600_000 } } }
const url = new URL(process.env['TEST_DATABASE_URL'] as string)

/** Ann and Bob log in, Bob logs out, what they wrote is moved, and Ann goes on where she was. */
async function moves(db: Database, other: Other, move: () => Promise<unknown>): Promise<void> {
  const [ann, bob] = [browser(), browser()]
  const before = await serve({ store: other.store, ...hour })
  await ann.get(before, '/login?user=ann')
  await ann.get(before, '/put?cart=é')
  // A touch, which moves the end of the session and not its text.
  await ann.get(before, '/me')
  await bob.get(before, '/login?user=bob')
  const out = bob.cookie
  await bob.get(before, '/logout')
  bob.cookie = out
  await before.close()
  await db.sql.unsafe(tableSql)
  await move()
  await other.close()

  const store = new Store({ conString: db.url, pruneSessionInterval: false })
  const after = await serve({ store, ...hour })
  const { user, cart, sid } = (await ann.get(after, '/me')).body
  assert.deepEqual([user, cart], ['ann', 'é'])
  assert.equal((await bob.get(after, '/me')).body.user, undefined)
  const [row] = await db.sql`
    select extract(epoch from expire::timestamptz)::float8 - ${Date.now() / 1000} as left from session where sid = ${sid}`
  assert.ok(row?.['left'] > 3500 && row?.['left'] < 3700)
  await ann.get(after, '/logout')
  assert.equal((await db.sql`select from session`).length, 0)
  await after.close()
  await store.close()
}

test(
  'from connect-session-knex the sessions are moved by SQL, and nobody is logged out',
  async () => {
    const db = await database('moving_knex')
    const knex = require('knex')({ client: 'pg', connection: db.url })
    const { ConnectSessionKnexStore } = require('connect-session-knex')
    const store = new ConnectSessionKnexStore({ knex, cleanupInterval: 0 })
    await moves(db, { store, close: () => knex.destroy() }, () => runSql(db, recipe('connect-session-knex')))
    await db.drop()
  },
  { seconds: 60 },
)

test(
  'from connect-session-sequelize the sessions are moved by SQL, and nobody is logged out',
  async () => {
    const db = await database('moving_sequelize')
    const { Sequelize } = require('sequelize')
    const sequelize = new Sequelize(db.url, { logging: false })
    const SequelizeStore = require('connect-session-sequelize')(require('express-session').Store)
    const store = new SequelizeStore({ db: sequelize, checkExpirationInterval: 0 })
    await store.sync()
    const move = () => runSql(db, recipe('connect-session-sequelize'))
    await moves(db, { store, close: () => sequelize.close() }, move)
    await db.drop()
  },
  { seconds: 60 },
)

test(
  'from connect-redis the sessions are moved by a script, and nobody is logged out',
  async () => {
    const db = await database('moving_redis')
    const redis = await startRedis()
    const client = await require('redis').createClient({ url: redis.url }).connect()
    const { RedisStore } = require('connect-redis')
    writeFileSync(join(place.path, 'move.mjs'), recipe('connect-redis'))
    const move = async () => {
      const env = { DATABASE_URL: db.url, REDIS_URL: redis.url }
      const printed = await run(process.execPath, ['move.mjs'], place.path, env)
      assert.equal(printed, '1 sessions moved\n')
    }
    await moves(db, { store: new RedisStore({ client }), close: () => client.close() }, move)
    await redis.stop()
    await db.drop()
  },
  {
    seconds: 60,
    skip: spawnSync('redis-server', ['--version']).error && 'redis-server is not installed here',
  },
)

test('from connect-pg-simple and back nothing is moved, and nobody is logged out', async () => {
  const db = await database('moving_back')
  await db.sql.unsafe(tableSql)
  const ann = browser()
  for (const make of ['theirs', 'ours', 'theirs', 'ours'] as const) {
    const { store, close } =
      make === 'theirs'
        ? incumbent(db.url)
        : (() => {
            const store = new Store({ conString: db.url, pruneSessionInterval: false })
            return { store, close: () => store.close() }
          })()
    const app = await serve({ store, ...hour })
    if (!ann.cookie) await ann.get(app, '/login?user=ann')
    const { body } = await ann.get(app, `/put?last=${make}`)
    assert.deepEqual([body.user, body.last], ['ann', make])
    await app.close()
    await close()
  }
  await db.drop()
})

test('the object that a pg.Pool was made of is a `conObject`, with its keys for the pool, and so is `pool.options`', async () => {
  const db = await database('moving_pool')
  await db.sql.unsafe(tableSql)
  const config = {
    host: url.hostname,
    port: Number(url.port),
    user: url.username,
    password: url.password,
    database: new URL(db.url).pathname.slice(1),
    ssl: false,
    max: 3,
    idleTimeoutMillis: 30_000,
    connectionTimeoutMillis: 5000,
    allowExitOnIdle: true,
  }
  const pool = new pg.Pool(config)
  const theirs = incumbent(db.url)
  const session = { cookie: { originalMaxAge: 60_000, expires: new Date(Date.now() + 60_000) }, user: 'ann' }
  await theirs.set('a', session as any)
  for (const conObject of [config, pool.options, { connectionString: db.url, max: 2 }]) {
    const store = new Store({ conObject: conObject as any, pruneSessionInterval: false })
    assert.equal(((await store.get('a')) as any).user, 'ann')
    await store.close()
  }
  await theirs.close()
  await pool.end()
  await db.drop()
})

test('the packages of the other stores are put away', () => place.remove())

async function startRedis() {
  const port = await freePort()
  const args = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no']
  const child = spawn('redis-server', args, { cwd: place.path, stdio: ['ignore', 'pipe', 'ignore'] })
  const ended = new Promise((resolve) => child.once('close', resolve))
  await new Promise<void>((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`redis-server ended with ${code}`)))
    child.stdout.on('data', (text) => void (String(text).includes('Ready to accept') && resolve()))
  })
  return {
    url: `redis://127.0.0.1:${port}`,
    async stop() {
      child.kill()
      await ended
    },
  }
}
