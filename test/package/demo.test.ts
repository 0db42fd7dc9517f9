// The demo as a newcomer runs it: a process of its own, ended by Ctrl-C.

import assert from 'node:assert/strict'
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmdirSync } from 'node:fs'
import { type AddressInfo, connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import postgres from 'postgres'
import { startPostgres } from '../../server/postgres.js'
import { program } from '../support/processes.ts'
import { promises } from '../support/promise.ts'

const test = promises('demo')
const main = fileURLToPath(new URL('../../demo/main.js', import.meta.url))
// Of its own, as other tests start servers at the same time. Readable, as the server is another user.
const folder = mkdtempSync(join(tmpdir(), 'demo-test-'))
chmodSync(folder, 0o755)
const leftovers = () => readdirSync(folder)
// An embedded server, whatever the tests run on.
const env = { DATABASE_URL: '', TMPDIR: folder }
const demoAt = (port: number) => program(process.execPath, [main, '--port', String(port)], env)

const refused = (url: string) =>
  new Promise<boolean>((resolve) => {
    const { hostname, port } = new URL(url)
    const socket = connect(Number(port), hostname)
    socket.on('connect', () => resolve(false)).on('error', () => resolve(true))
  })

test(
  'logged in at one service is logged in at the other, logged out too, and Ctrl-C leaves nothing behind',
  async () => {
    const demo = demoAt(0)
    const [url] = await demo.printed(/http:\S+/)
    const theirs = `${url}/connect-pg-simple`
    const ours = `${url}/connect-postgres-simple`

    for (const [here, there] of [
      [theirs, ours],
      [ours, theirs],
    ] as [string, string][]) {
      const login = await fetch(`${here}/login`, {
        method: 'POST',
        body: new URLSearchParams({ user: 'Ann <b>' }),
        redirect: 'manual',
      })
      const cookie = login.headers.getSetCookie()[0]?.split(';')[0] as string
      // express-session sends the head before it saves. Only the end of the body says that it has saved.
      await login.text()
      const post = async (at: string) =>
        (await fetch(at, { method: 'POST', headers: { cookie }, redirect: 'manual' })).text()
      const look = async () => (await fetch(url, { headers: { cookie } })).text()
      const words = 'Logged in as <strong>Ann &#60;b&#62;</strong>. Counted to <strong>1</strong>'
      await post(`${there}/count`)
      assert.equal((await look()).split(words).length, 3, 'both services say so')
      await post(`${there}/logout`)
      assert.equal((await look()).split('Nobody is logged in').length, 3)
    }

    demo.ctrlC()
    const { code, signal, output } = await demo.ended()
    assert.deepEqual([code, signal], [0, null], output)
    assert.deepEqual(leftovers(), [])
    assert.ok(await refused(url))
  },
  { seconds: 90 },
)

test(
  'a port that is taken is not asked for again: the demo takes the next one',
  async () => {
    const taken = createServer()
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve))
    const { port } = taken.address() as AddressInfo
    const demo = demoAt(port)
    const [url] = await demo.printed(/http:\S+/)
    assert.ok(Number(new URL(url).port) > port)
    assert.equal((await fetch(url)).status, 200)
    demo.ctrlC()
    assert.equal((await demo.ended()).code, 0)
    taken.close()
  },
  { seconds: 60 },
)

test('a port that cannot be is refused in words', async () => {
  const { code, output } = await program(process.execPath, [main, '--port', '99999'], env).ended()
  assert.equal(code, 1)
  assert.match(output, /`--port` must be from 0 to 65535/)
})

test(
  'Ctrl-C in the middle of a load leaves nothing behind either',
  async () => {
    const demo = demoAt(0)
    const [url] = await demo.printed(/http:\S+/)
    const load = fetch(`${url}/try/load`, { method: 'POST' }).catch(() => undefined)
    while (!(await (await fetch(url)).text()).includes('class="chart"'))
      await new Promise((resume) => setTimeout(resume, 50))
    demo.ctrlC()
    const { code, output } = await demo.ended()
    assert.equal(code, 0, output)
    assert.deepEqual(leftovers(), [])
    await load
  },
  { seconds: 60 },
)

test(
  'Ctrl-C while the demo starts leaves nothing behind either',
  async () => {
    const demo = demoAt(0)
    while (leftovers().length === 0) await new Promise((resume) => setTimeout(resume, 5))
    demo.ctrlC()
    await demo.ended()
    assert.deepEqual(leftovers(), [])
  },
  { seconds: 60 },
)

test('the server can be stopped also when it has ended by itself', async () => {
  const given = process.env['DATABASE_URL']
  delete process.env['DATABASE_URL']
  const server = await startPostgres()
  if (given !== undefined) process.env['DATABASE_URL'] = given
  const sql = postgres(server.url, { max: 1 })
  const [{ data_directory: directory }] = (await sql`show data_directory`) as any
  await sql.end()
  const pid = Number(readFileSync(join(directory, 'postmaster.pid'), 'utf8').split('\n')[0])
  process.kill(pid, 'SIGINT')
  while (existsSync(join(directory, 'postmaster.pid'))) await new Promise((resume) => setTimeout(resume, 10))
  await new Promise((resume) => setTimeout(resume, 300))
  await server.stop()
  assert.ok(!existsSync(directory))
})

test('no trace is left', () => rmdirSync(folder))
