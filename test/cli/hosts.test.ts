// The command line with an address of several hosts, the first of which takes connections and says nothing.

import assert from 'node:assert/strict'
import { cli } from '../support/command-line.ts'
import { database, tableSql } from '../support/database.ts'
import { port } from '../support/port.ts'
import { promises } from '../support/promise.ts'

const db = await database('cli_hosts')
const test = promises('command line with several hosts')

const silent = await port(() => {})
const { host } = new URL(db.url)
const url = db.url.replace(host, `127.0.0.1:${silent.number},${host}`)
await db.sql.unsafe(tableSql)
await db.sql`insert into session values ('sid', '{"cookie":{}}', now() + interval '1 day')`

test('a host that says nothing leaves time to ask the next', async () => {
  const { code, json, err } = await cli(['stats', '--url', url, '--json'])
  assert.deepEqual([code, json?.live, err], [0, 1, ''])
})

test('a host that says nothing keeps no statement from being cancelled', async () => {
  const stop = new AbortController()
  const waiting = () => db.sql`
    select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`
  await db.sql.begin(async (sql) => {
    await sql`select from session for update`
    const running = cli(['logout', '--all', '--yes', '--url', url], { stop: stop.signal })
    while ((await waiting()).length === 0) await new Promise((resume) => setTimeout(resume, 20))
    stop.abort()
    const { code, err } = await running
    assert.deepEqual([code, err], [130, 'Interrupted. Some of the sessions may have been destroyed.\n'])
    while ((await waiting()).length > 0) await new Promise((resume) => setTimeout(resume, 20))
  })
  assert.equal((await db.sql`select from session`).length, 1)
})

test('the doctor names the host that says nothing', async () => {
  const { json } = await cli(['doctor', '--url', url, '--json'])
  const [found] = json.findings.filter(({ code }: { code: string }) => code === 'several-hosts')
  assert.match(
    found.found,
    new RegExp(`^127.0.0.1:${silent.number} cannot be reached \\(.*, ${host} is a primary$`),
  )
})

test('no connection of a command is left', async () => {
  await silent.close()
  await db.drop()
})
