// The demo as a newcomer runs it: a process of its own, ended by Ctrl-C.

import assert from 'node:assert/strict'
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmdirSync } from 'node:fs'
import { connect } from 'node:net'
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
// Port 0: any that is free. An embedded server, whatever the tests run on.
const env = { PORT: '0', DATABASE_URL: '', TMPDIR: folder }

const refused = (url: string) =>
  new Promise<boolean>((resolve) => {
    const { hostname, port } = new URL(url)
    const socket = connect(Number(port), hostname)
    socket.on('connect', () => resolve(false)).on('error', () => resolve(true))
  })

test(
  'logged in at one service is logged in at the other, logged out too, and Ctrl-C leaves nothing behind',
  async () => {
    const demo = program(process.execPath, [main], env)
    const [, theirs] = (await demo.printed(/connect-pg-simple +(http:\S+)/)) as unknown as [string, string]
    const [, ours] = (await demo.printed(/connect-postgres-simple +(http:\S+)/)) as unknown as [
      string,
      string,
    ]
    await demo.printed(/Ctrl-C/)

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
      const look = async (url: string) => (await fetch(url, { headers: { cookie } })).text()
      assert.match(await look(here), /You are <b>Ann &#60;b&#62;<\/b>, and have looked 1 times/)
      assert.match(await look(there), /have looked 2 times/)
      await fetch(`${there}/logout`, { method: 'POST', headers: { cookie }, redirect: 'manual' })
      assert.match(await look(here), /Nobody is logged in/)
    }

    demo.ctrlC()
    const { code, signal, output } = await demo.ended()
    assert.deepEqual([code, signal], [0, null], output)
    assert.deepEqual(leftovers(), [])
    assert.ok((await refused(ours)) && (await refused(theirs)))
  },
  { seconds: 90 },
)

test(
  'Ctrl-C while the demo starts leaves nothing behind either',
  async () => {
    const demo = program(process.execPath, [main], env)
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
