// What goes wrong on an encrypted connection ends no process: each case in one that listens to no error, on a
// PostgreSQL that speaks TLS itself.

import assert from 'node:assert/strict'
import postgres from 'postgres'
import { proxy } from '../faults/proxy.ts'
import { sideBySide } from '../faults/side-by-side.ts'
import { certificate } from '../support/certificate.ts'
import { tableSql } from '../support/database.ts'
import { type Program, script } from '../support/processes.ts'
import { promises } from '../support/promise.ts'
import { backends } from '../support/store.ts'
import { ownServer } from '../support/template.ts'

const server = await ownServer({ certificate: await certificate() })
const sql = postgres(server.url, { max: 2, onnotice() {} })
await sql.unsafe(tableSql)
const test = promises('unguarded')

const encrypted = (change: (url: URL) => void = () => {}) => {
  const url = new URL(server.url)
  change(url)
  url.searchParams.set('sslmode', 'no-verify')
  return url.href
}
const app = (url: string, options: object = {}, seconds = 0.5) =>
  script('unguarded', { URL_OF_TEST: url, OPTIONS: JSON.stringify(options), SECONDS: String(seconds) })
/** How it went, for a process that ended by itself. */
const survived = async (running: Program) => {
  const { code, signal, output } = await running.ended(40)
  assert.deepEqual([code, signal], [0, null], output)
  return JSON.parse(/survived (.*)/.exec(output)?.[1] as string) as {
    codes: Record<string, number>
    last: string
    logged: string[]
  }
}
const seconds = (count: number) => new Promise((resume) => setTimeout(resume, count * 1000))
const encryptedBackends = async () => {
  const rows = await sql`select pid, ssl from pg_stat_ssl where pid = any(${await backends(sql)})`
  for (const { ssl } of rows) assert.equal(ssl, true)
  return rows.map(({ pid }) => pid as number)
}

test('a wrong user or password', async () => {
  const { codes } = await survived(app(encrypted((url) => Object.assign(url, { password: 'wrong' }))))
  assert.deepEqual(Object.keys(codes), ['28P01'])
})

test('a database that is not there', async () => {
  const { codes } = await survived(app(encrypted((url) => Object.assign(url, { pathname: '/nowhere' }))))
  assert.deepEqual(Object.keys(codes), ['3D000'])
})

test('a start-up parameter that the server does not know', async () => {
  const unknown = encrypted((url) => url.searchParams.set('options', '-c no_such_setting=1'))
  assert.deepEqual(Object.keys((await survived(app(unknown))).codes), ['42704'])
})

test('too few connections for all, or none', async () => {
  await sql`create role few login password 'few' connection limit 1`
  await sql`grant all on session to few`
  const few = encrypted((url) => Object.assign(url, { username: 'few', password: 'few' }))
  const running = app(few, { timeout: 0.5 }, 5)
  await running.printed(/begun/)
  await seconds(1)
  await sql`alter role few connection limit 0`
  for (const pid of await encryptedBackends()) await sql`select pg_terminate_backend(${pid}::int)`
  await seconds(1)
  await sql`alter role few connection limit 10`
  const { codes, last } = await survived(running)
  assert.ok((codes['ok'] ?? 0) > 0 && (codes['STORE_TIMEOUT'] ?? 0) > 0, JSON.stringify(codes))
  assert.deepEqual([last, Object.keys(codes).length], ['ok', 2])
})

test('backends that are ended', async () => {
  const running = app(encrypted(), {}, 4)
  await running.printed(/begun/)
  let ended = 0
  for (let round = 0; round < 10; round++) {
    await seconds(0.15)
    for (const pid of await encryptedBackends())
      ended += (await sql`select pg_terminate_backend(${pid}::int)`).length
  }
  const { codes } = await survived(running)
  assert.deepEqual(Object.keys(codes), ['ok'])
  assert.ok(ended > 5)
})

test(
  'backends that are killed, each with the recovery that follows',
  async () => {
    const running = app(encrypted(), { max: 8 }, 7)
    await running.printed(/begun/)
    let killed = 0
    for (let round = 0; round < 4; round++) {
      await seconds(1)
      const [victim] = await encryptedBackends().catch(() => [])
      if (!victim) continue
      process.kill(victim, 'SIGKILL')
      killed++
    }
    const { codes, last, logged } = await survived(running)
    assert.deepEqual([Object.keys(codes), last], [['ok'], 'ok'])
    assert.ok(killed >= 2, `${killed} killed`)
    // Each was heard of, once: at the end it could be reached.
    const [away, back] = ['PostgreSQL cannot be reached', 'PostgreSQL can be reached again']
    const heard = logged.map((message) => message.replace(/ \(.*/, ''))
    assert.deepEqual(
      heard,
      heard.map((_, i) => (i % 2 ? back : away)),
    )
    assert.equal(heard.length % 2, 0)
  },
  { seconds: 60 },
)

/** What it goes through needs nothing of the others: all at once. */
const onTheWay = (['hole', 'silent', 'cut', 'shut'] as const).map((mode) => ({
  mode,
  async run() {
    const between = await proxy(encrypted())
    const running = app(between.url, { timeout: 0.5 }, 6)
    await running.printed(/begun/)
    for (let round = 0; round < 3; round++) {
      await seconds(0.5)
      between.become(mode)
      // The connections it has; new ones meet the fault.
      if (mode === 'silent' || mode === 'shut') between.hangUp()
      await seconds(0.8)
      between.hangUp()
      between.become('pass')
    }
    const { codes, last } = await survived(running).finally(between.close)
    assert.equal(last, 'ok')
    assert.deepEqual(
      Object.keys(codes).filter((code) => code !== 'ok'),
      ['STORE_TIMEOUT'],
    )
  },
}))
let outcomes: Promise<void>[] | undefined
for (const [i, { mode }] of onTheWay.entries()) {
  test(`operations that time out or are cut off on the way (${mode})`, async () => {
    outcomes ??= sideBySide(
      onTheWay.length,
      onTheWay.map(({ run }) => run),
    )
    await outcomes[i]
  })
}

test('operations that time out while the server works on them', async () => {
  const running = app(encrypted(), { timeout: 0.5 }, 6)
  await running.printed(/begun/)
  for (let round = 0; round < 4; round++) {
    await sql.begin(async (holder) => {
      await holder`lock table session in access exclusive mode`
      await seconds(0.8)
    })
    await seconds(0.1)
  }
  const { codes, last } = await survived(running)
  assert.equal(last, 'ok')
  assert.ok((codes['STORE_TIMEOUT'] ?? 0) > 0)
})

test('the server of these tests ends', async () => {
  await sql.end()
  await server.stop()
})
