// The doctor on real servers: what it finds when something is wrong, that its repairs repair it, and that it
// finds nothing where nothing is wrong.

import assert from 'node:assert/strict'
import connectPgSimple from 'connect-pg-simple'
import session from 'express-session'
import pg from 'pg'
import postgres, { type Sql } from 'postgres'
import { startPostgres } from '../../server/postgres.js'
import { cli } from '../support/command-line.ts'
import { tableSql } from '../support/database.ts'
import { promises } from '../support/promise.ts'
import { template } from '../support/template.ts'
import { type Fault, faults } from './faults.ts'

// Autovacuum does not come between a fault and the look at it.
const FLAGS = ['-c', 'timezone=America/St_Johns', '-c', 'autovacuum_naptime=1d']
/** Of another version, where `npm run test:everywhere` has started it. */
const given = process.env['TEST_DOCTOR_URL']
const server = given
  ? { url: given, stop: async () => {} }
  : await startPostgres({ own: true, inMemory: true, like: await template(), flags: FLAGS })

interface Place {
  readonly url: string
  readonly sql: Sql
  /** Several statements are not run in one transaction. */
  run(statements: readonly string[]): Promise<void>
}

const DATABASE = 'doctor'

/** A database as new, with the table of table.sql. To make one for each test would take a second each. */
async function withDatabase(server: { url: string }, use: (place: Place) => Promise<void>): Promise<void> {
  const admin = postgres(server.url, { max: 1, onnotice() {} })
  const url = new URL(server.url)
  url.pathname = DATABASE
  const [found] = await admin`select from pg_database where datname = ${DATABASE}`
  if (!found) await admin.unsafe(`create database ${DATABASE}`)
  const sql = postgres(url.href, { max: 1, onnotice() {} })
  const run = async (statements: readonly string[]) => {
    for (const statement of statements) {
      const text = statement.replaceAll('database current ', `database ${DATABASE} `)
      await sql.unsafe(text).catch((error) => {
        if (!text.startsWith('-- fails')) throw error
      })
    }
  }
  try {
    await run(['create schema if not exists public', tableSql])
    await use({ url: url.href, sql, run })
  } finally {
    await sql.end({ timeout: 5 })
    await admin.unsafe(`alter database ${DATABASE} reset all`)
    await admin.unsafe(`alter database ${DATABASE} connection limit -1`)
    await admin.end({ timeout: 5 })
    await clear(url.href)
  }
}

async function clear(url: string): Promise<void> {
  const sql = postgres(url, { max: 1, onnotice() {} })
  const schemas = await sql`
    select nspname from pg_namespace where nspname !~ '^pg_' and nspname <> 'information_schema'`
  for (const { nspname } of schemas) await sql.unsafe(`drop schema "${nspname}" cascade`)
  await sql`drop server if exists file cascade`
  await sql.end({ timeout: 5 })
}

/** The codes of what the doctor finds, and the finding of one code. */
async function examined(
  url: string,
  flags: readonly string[],
  code = '',
): Promise<{ codes: string[]; one: any }> {
  const { json, code: exit } = await cli(['doctor', '--url', url, '--json', ...flags])
  const { findings } = json
  const isBad = findings.some(({ severity }: { severity: string }) => severity !== 'note')
  assert.equal(exit, isBad ? 1 : 0)
  for (const finding of findings) {
    assert.deepEqual(Object.keys(finding), ['code', 'severity', 'expected', 'found', 'meaning', 'fix'])
    assert.ok(!JSON.stringify(finding).includes('undefined'), JSON.stringify(finding))
  }
  const codes = findings.map((finding: { code: string }) => finding.code)
  return { codes, one: findings.find((finding: { code: string }) => finding.code === code) }
}

async function show(server: { url: string }, fault: Fault): Promise<void> {
  await withDatabase(server, async ({ url, sql, run }) => {
    const holder = postgres(url, { max: 2, onnotice() {}, idle_timeout: 0 })
    const flags = fault.flags ?? []
    try {
      await run(fault.make)
      if (fault.holding) {
        const reserved = await holder.reserve()
        for (const statement of ['begin', ...fault.holding]) await reserved.unsafe(statement)
      }
      if (fault.waiting) {
        holder.unsafe(fault.waiting).catch(() => {})
        await new Promise((resume) => setTimeout(resume, 1500))
      }
      if (fault.isOfStatistics) await flushStatistics(sql)
      const { codes, one } = await examined(url, flags, fault.code)
      assert.equal(new Set(codes).size, codes.length, `${codes}`)
      const others = [...new Set(codes)].filter((code) => !(fault.beside ?? []).includes(code))
      assert.deepEqual(others, [fault.code])
      if (fault.fix) assert.match(one.fix, fault.fix)
      if (fault.undo) await run(fault.undo)
      else await repair(url, one.fix)
      await run(fault.more ?? [])
      if (fault.isOfStatistics) await flushStatistics(sql)
      assert.deepEqual((await examined(url, flags)).codes, [])
    } finally {
      await holder.end({ timeout: 0 })
      await run(fault.after ?? [])
    }
  })
}

/** As it is: each statement by itself, as psql runs them. */
async function repair(url: string, fix: string): Promise<void> {
  const sql = postgres(url, { max: 1, onnotice() {} })
  try {
    if (fix.includes('default_transaction_read_only')) await sql`set default_transaction_read_only = off`
    for (const statement of fix.split(/;\s*(?=\w)/)) await sql.unsafe(statement)
  } finally {
    await sql.end({ timeout: 5 })
  }
}

/** They are sent at the end of a transaction, but not more often than once a second. */
async function flushStatistics(sql: Sql): Promise<void> {
  await sql`select pg_stat_force_next_flush()`
  await sql`select 1`
}

const test = promises('doctor')

test('nothing is found in a table of table.sql', async () => {
  await withDatabase(server, async ({ url }) => {
    const { code, out, err } = await cli(['doctor', '--url', url])
    assert.equal(out, 'Nothing was found: all is as it should be.\n')
    assert.equal(err, '')
    assert.equal(code, 0)
  })
})

test('nothing is found in a used table of connect-pg-simple', async () => {
  await withDatabase(server, async ({ url, run }) => {
    await run(['drop table session'])
    const pool = new pg.Pool({ connectionString: url })
    const Incumbent = connectPgSimple(session)
    const store = new Incumbent({ pool, createTableIfMissing: true, pruneSessionInterval: false })
    const data = { cookie: { originalMaxAge: 60_000 }, user: 'anna' } as session.SessionData
    await new Promise((resolve) => store.set('a', data, resolve))
    await store.close()
    await pool.end()
    assert.deepEqual((await examined(url, [])).codes, [])
  })
})

test('a foreign key that is not enforced keeps no row', async () => {
  await withDatabase(server, async ({ url, sql, run }) => {
    const [{ version }] = (await sql`select current_setting('server_version_num')::int as version`) as any
    const isKnown = version >= 180_000
    if (isKnown) await run(['create table visit (sid varchar references session not enforced)'])
    assert.ok(!(await examined(url, [])).codes.includes('referenced'))
  })
})

// The questions are the same, so on another version one fault of each code will do.
const some = faults.filter(({ code }, i) => faults.findIndex((fault) => fault.code === code) === i)
for (const fault of given ? some : faults) {
  test(`the doctor finds ${fault.what}, and not after the repair`, () => show(server, fault))
}

test('no server is left', () => server.stop())
