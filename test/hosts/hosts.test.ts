// One contract, shown by every host of sessions as a real app in two processes. Knows a host only by its
// routes, and by what it is listed here to lack.

import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import type { Options } from '../../src/index.ts'
import { type Database, database, tableSql } from '../support/database.ts'
import { installed } from '../support/installed.ts'
import { promises } from '../support/promise.ts'
import { Host, User } from './host.ts'

interface Traits {
  /** Whether a login gives a new sid. Without, the app has to see to it. */
  readonly regenerates: boolean
  /** Whether a request that changes nothing prolongs its session by a touch. */
  readonly touches: boolean
  /** Whether a logout begins a new session, with a row of its own. */
  readonly logsOutByRegenerating?: boolean
  readonly hasToken?: boolean
  /** What only this host has. */
  readonly more?: Readonly<Record<string, (host: Host, db: Database) => Promise<void>>>
}

const usual: Traits = { regenerates: true, touches: true }

const hosts: Readonly<Record<string, Traits>> = {
  express4: usual,
  express5: usual,
  connect: usual,
  nestjs: usual,
  passport: { ...usual, logsOutByRegenerating: true },
  flash: { ...usual, more: { 'a message is told by the next page, once': told } },
  csrf: { ...usual, hasToken: true, more: { 'a post without the token is refused': refused } },
  'socket.io': { ...usual, more: { 'a socket knows its user, and forgets who logged out': socket } },
  'session-1.17.0': usual,
  'session-1.17.3': usual,
  'session-1.18.2': usual,
  'session-1.19.0': {
    ...usual,
    more: { 'the row ends with a cookie whose options are a function': endsWithCookie },
  },
  fastify: { regenerates: true, touches: false },
  'next-session': { regenerates: false, touches: true },
  koa: { regenerates: true, touches: false },
}

/** In a quick run these are left out: they add little to the others. */
const addsLittle = ['express4', 'connect', 'flash', 'session-1.17.3', 'session-1.18.2']

const leftOut = process.env['EVERYWHERE'] === 'quick' ? addsLittle : []
const place = await installed('test/hosts')

for (const [name, traits] of Object.entries(hosts)) {
  if (leftOut.includes(name)) continue
  const db = await database(`hosts_${name}`)
  await db.sql.unsafe(tableSql)
  const test = promises(`Host ${name}`)
  const user = (way: string) => new User(way, traits.hasToken)
  const rows = async () => (await db.sql`select sid, sess::text, xmin::text, expire from session`) as any[]
  const common = { conString: db.url, max: 2, pruneSessionInterval: false as const }
  const ways: Record<string, Options> = {
    merge: { ...common, onConflict: 'merge', touchInterval: 0 },
    error: { ...common, onConflict: 'error', touchInterval: 0 },
    lazy: { ...common, touchInterval: 60 },
  }
  let running: { here: Host; there: Host } | undefined
  /** Two processes of it, and an empty table. */
  const started = async () => {
    if (!running) {
      const [here, there] = await Promise.all([1, 2].map(() => Host.start(place.path, name, ways)))
      running = { here: here as Host, there: there as Host }
    }
    await db.sql`delete from session`
    return running
  }

  test(
    `on ${name}, two users are known at once, each as who logged in, and nobody else is`,
    async () => {
      const { here, there } = await started()
      const [ann, bob] = [user('merge'), user('merge')]
      await Promise.all([ann.post(here, '/login?user=ann'), bob.post(there, '/login?user=bob')])
      for (const host of [here, there]) {
        assert.equal((await ann.get(host, '/me')).body.user, 'ann')
        assert.equal((await bob.get(host, '/me')).body.user, 'bob')
        assert.equal((await user('merge').get(host, '/me')).status, 401)
      }
      assert.equal((await rows()).length, 2)
    },
    { seconds: 120 },
  )

  if (traits.regenerates) {
    test(`on ${name}, a login gives a new sid, and the one before is worth nothing`, async () => {
      const { here } = await started()
      const ann = user('merge')
      await ann.post(here, '/login?user=ann')
      const before = ann.copy()
      await ann.post(here, '/login?user=ann')
      assert.notEqual(ann.cookies, before.cookies)
      assert.equal((await ann.get(here, '/me')).body.user, 'ann')
      assert.equal((await before.get(here, '/me')).status, 401)
      assert.equal((await rows()).length, 1)
    })
  }

  test(
    `on ${name}, a restart logs nobody out`,
    async () => {
      const before = await started()
      const ann = user('merge')
      await ann.post(before.here, '/login?user=ann')
      await before.here.stop()
      running = { ...before, here: await Host.start(place.path, name, ways) }
      assert.equal((await ann.get(running.here, '/me')).body.user, 'ann')
    },
    { seconds: 120 },
  )

  test(`on ${name}, a logout ends the session, also for its old cookie`, async () => {
    const { here, there } = await started()
    const ann = user('merge')
    await ann.post(here, '/login?user=ann')
    const before = ann.copy()
    const [{ sid }] = (await rows()) as [any]
    await ann.post(here, '/logout')
    assert.equal((await before.get(here, '/me')).status, 401)
    assert.equal((await before.get(there, '/me')).status, 401)
    assert.ok(!(await rows()).some((row) => row.sid === sid))
    if (!traits.logsOutByRegenerating) assert.equal((await rows()).length, 0)
  })

  for (const way of Object.keys(ways)) {
    for (const where of ['the same process', 'another process']) {
      test(`on ${name}, a slow request brings back nobody who logged out in ${where} (${way})`, async () => {
        const { here, there } = await started()
        const ann = user(way)
        await ann.post(here, '/login?user=ann')
        const before = ann.copy()
        const slow = await here.begin(ann.copy(), '/put?key=late&value=1')
        await ann.post(where === 'the same process' ? here : there, '/logout')
        await slow()
        assert.equal((await before.get(here, '/me')).status, 401)
        assert.ok(!(await rows()).some(({ sess }) => sess.includes('late')))
      })
    }
  }

  test(`on ${name}, of two requests at once each keeps what the other changed, where saves are merged`, async () => {
    const { here, there } = await started()
    const ann = user('merge')
    await ann.post(here, '/login?user=ann')
    const slow = await here.begin(ann.copy(), '/put?key=one&value=1')
    await ann.post(there, '/put?key=two&value=2')
    assert.ok((await slow()).status < 300)
    const { one, two } = (await ann.get(here, '/me')).body
    assert.deepEqual([one, two], ['1', '2'])
  })

  test(`on ${name}, the second of two requests at once stores nothing, where a conflict is an error`, async () => {
    const { here, there } = await started()
    const ann = user('error')
    await ann.post(here, '/login?user=ann')
    const slow = await here.begin(ann.copy(), '/put?key=one&value=1')
    await ann.post(there, '/put?key=two&value=2')
    // Where the host saves after the answer, only its log has the error.
    await slow()
    const { one, two } = (await ann.get(here, '/me')).body
    assert.deepEqual([one, two], [undefined, '2'])
  })

  test(`on ${name}, the last of two requests at once wins, where nothing else is said`, async () => {
    const { here, there } = await started()
    const ann = user('lazy')
    await ann.post(here, '/login?user=ann')
    const slow = await here.begin(ann.copy(), '/put?key=one&value=1')
    await ann.post(there, '/put?key=two&value=2')
    await slow()
    const { one, two } = (await ann.get(here, '/me')).body
    assert.deepEqual([one, two], ['1', undefined])
  })

  test(`on ${name}, a request that changes nothing ${traits.touches ? 'touches its row, but for a touch within the interval' : 'writes nothing'}`, async () => {
    const { here } = await started()
    const ann = user('merge')
    await ann.post(here, '/login?user=ann')
    await db.sql`update session set expire = expire - interval '10 minutes'`
    const aged = await rows()
    await ann.get(here, '/me')
    const seen = await rows()
    assert.equal(seen[0].sess, aged[0].sess)
    if (!traits.touches) return assert.deepEqual(seen, aged)
    assert.ok(seen[0].expire > aged[0].expire)
    // The same session by a store whose interval is a minute, some seconds after the touch.
    await db.sql`update session set expire = expire - interval '5 seconds'`
    const before = await rows()
    await ann.copy('lazy').get(here, '/me')
    assert.deepEqual(await rows(), before)
  })

  for (const [title, show] of Object.entries(traits.more ?? {})) {
    test(`on ${name}, ${title}`, async () => show((await started()).here, db))
  }

  test(`${name} ends when it is told to, and leaves no connection behind`, async () => {
    await Promise.all([running?.here.stop(), running?.there.stop()])
    await db.drop()
    if (name === Object.keys(hosts).at(-1)) place.remove()
  })
}

async function told(host: Host): Promise<void> {
  const ann = new User('merge')
  await ann.post(host, '/login?user=ann')
  await ann.post(host, '/tell?text=saved')
  assert.deepEqual((await ann.get(host, '/told')).body, [])
}

async function refused(host: Host): Promise<void> {
  const ann = new User('merge', true)
  await ann.post(host, '/login?user=ann')
  const forged = ann.copy()
  assert.equal((await ann.post(host, '/put?key=a&value=1')).status, 200)
  assert.equal((await new User('merge').post(host, '/put?key=a&value=2')).status, 403)
  assert.equal((await forged.get(host, '/me')).body.a, '1')
}

async function socket(host: Host): Promise<void> {
  const { io } = createRequire(join(place.path, 'package.json'))('socket.io-client')
  const ann = new User('merge')
  await ann.post(host, '/login?user=ann')
  const client = io(host.url('merge'), { extraHeaders: { cookie: ann.cookies } })
  try {
    assert.equal(await client.emitWithAck('me'), 'ann')
    assert.equal(await client.emitWithAck('put', 'seen', 'yes'), 'saved')
    assert.equal((await ann.get(host, '/me')).body.seen, 'yes')
    const before = ann.copy()
    await ann.post(host, '/logout')
    assert.equal(await client.emitWithAck('me'), null)
    assert.equal(await client.emitWithAck('put', 'seen', 'again'), 'saved')
    assert.equal((await before.get(host, '/me')).status, 401, 'its save brings nobody back')
  } finally {
    client.close()
  }
}

async function endsWithCookie(host: Host, { sql }: Database): Promise<void> {
  await new User('merge').post(host, '/login?user=ann&maxAge=90000')
  const [row] =
    await sql`select extract(epoch from expire::timestamptz)::float8 - ${Date.now() / 1000} as s from session`
  assert.ok(row?.['s'] > 60 && row?.['s'] < 95)
}
