// Pruning inside the database, by the recipe of docs/operations.md, as it stands there.

import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import postgres, { type Sql } from 'postgres'
import { freePort } from '../../server/postgres.js'
import { tableSql } from '../support/database.ts'
import { folder, output, pathOf, runOnce, startProgram } from '../support/program.ts'
import { promises } from '../support/promise.ts'
import { putRow } from '../support/store.ts'

const test = promises('cron')

function noCron(): string | undefined {
  if (process.env['EVERYWHERE'] === 'quick') return 'left out by --quick: it waits for a minute to pass'
  const programs = pathOf('initdb') && dirname(pathOf('initdb')!)
  if (!programs) return 'not installed here: PostgreSQL with its `initdb`'
  const libraries = output(`${programs}/pg_config`, '--pkglibdir')
  return existsSync(`${libraries}/pg_cron.so`) ? undefined : 'not installed here: pg_cron'
}

/** The statements of the recipe. */
function recipe(): string {
  const page = readFileSync(new URL('../../docs/operations.md', import.meta.url), 'utf8')
  const block = /```sql\n(create extension if not exists pg_cron;[^`]*)```/.exec(page)
  assert.ok(block, 'docs/operations.md has the recipe')
  return block[1]!
}

test(
  'pg_cron prunes the table by the recipe: what has expired goes, what lives or is locked stays',
  () =>
    withServer(async (url) => {
      const sql = postgres(url, { max: 1, onnotice() {} })
      const other = postgres(url, { max: 1 })
      try {
        await sql.unsafe(tableSql)
        for (let n = 0; n < 50; n++) await putRow(sql, `expired-${n}`, {}, -60)
        await putRow(sql, 'locked', {}, -60)
        await putRow(sql, 'alive', {}, 600)
        await other.begin(async (transaction) => {
          await transaction`select from session where sid = 'locked' for update`
          for (const statement of recipe().split(/;\n/)) if (statement.trim()) await sql.unsafe(statement)
          // It does something once a minute.
          while ((await sidsOf(sql)).length > 2) await pause(200)
          assert.deepEqual(await sidsOf(sql), ['alive', 'locked'])
        })
        const runs = await sql`select distinct status from cron.job_run_details where status <> 'running'`
        assert.deepEqual([...runs], [{ status: 'succeeded' }])
      } finally {
        await Promise.all([sql.end(), other.end()])
      }
    }),
  { seconds: 150, skip: noCron() },
)

async function sidsOf(sql: Sql): Promise<string[]> {
  return (await sql`select sid from session order by sid`).map(({ sid }) => sid)
}

/** It accepts connections a moment before it has started up. */
async function ready(url: string): Promise<void> {
  const sql = postgres(url, { max: 1, onnotice() {} })
  try {
    for (let isUp = false; !isUp; ) {
      isUp = await sql`select 1`.then(
        () => true,
        () => pause(50).then(() => false),
      )
    }
  } finally {
    await sql.end()
  }
}

/** A server with pg_cron, in another zone than UTC. */
async function withServer(use: (url: string) => Promise<void>): Promise<void> {
  const files = folder()
  const port = await freePort()
  const data = `${files.path}/data`
  const password = files.write('password', 'postgres')
  const accounts = ['--username=postgres', `--pwfile=${password}`, '--auth=scram-sha-256']
  runOnce('initdb', '--no-sync', '--encoding=UTF8', `--pgdata=${data}`, ...accounts)
  const settings = {
    ...{ port, listen_addresses: '127.0.0.1', unix_socket_directories: files.path, fsync: 'off' },
    ...{ timezone: 'America/St_Johns', shared_preload_libraries: 'pg_cron' },
    // It works by its own processes, so that it needs no password.
    'cron.use_background_workers': 'on',
  }
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  const server = await startProgram('postgres', ['-D', data, ...flags], port)
  const url = `postgres://postgres:postgres@127.0.0.1:${port}/postgres`
  try {
    await ready(url)
    await use(url)
  } finally {
    await server.stop('SIGINT')
    files.remove()
  }
}
