// Pruning a table that the server knows from a time when it was nearly empty: it has grown since it was last
// analyzed.

import assert from 'node:assert/strict'
import { names } from '../../src/table/names.ts'
import type { Statement } from '../../src/table/sql.ts'
import { statements } from '../../src/table/statements.ts'
import { database, serverMajor, tableSql } from '../support/database.ts'
import { promises } from '../support/promise.ts'

const db = await database('stale-statistics')
const test = promises('stale-statistics')
const major = await serverMajor()

const ROWS = 20_000
await db.sql.unsafe(tableSql)
await db.sql.unsafe(`
  alter table session set (autovacuum_enabled = off);
  insert into session
  select md5(n::text), '{"cookie":{}}', now() + n % 2 * interval '2 days' - interval '1 day'
  from generate_series(1, ${ROWS}) n`)

interface Plan {
  readonly 'Relation Name'?: string
  readonly 'Actual Rows': number
  readonly 'Actual Loops': number
  readonly 'Rows Removed by Filter'?: number
  readonly 'Rows Removed by Join Filter'?: number
  readonly Plans?: readonly Plan[]
}

/** How many rows of the table its nodes read, and how many pairs of rows they compared in vain. */
function workOf(plan: Plan): number {
  const { 'Rows Removed by Filter': filtered = 0, 'Rows Removed by Join Filter': compared = 0 } = plan
  const read = plan['Relation Name'] ? plan['Actual Rows'] + filtered : 0
  const own = plan['Actual Loops'] * (read + compared)
  return (plan.Plans ?? []).reduce((sum, inner) => sum + workOf(inner), own)
}

/** @returns the work of a batch, whose effect is undone */
async function measure({ text, parameters }: Statement, values: Record<string, string>, isGeneric: boolean) {
  const undone = new Error('undone')
  let work = 0
  const running = db.sql.begin(async (sql) => {
    if (isGeneric) await sql`set local plan_cache_mode = force_generic_plan`
    await sql.unsafe(`prepare tried (${parameters.map(() => 'text')}) as ${text}`)
    const given = parameters.map((name) => `'${values[name]}'`)
    const [row] = await sql.unsafe(`explain (analyze, format json) execute tried(${given})`)
    await sql.unsafe('deallocate tried')
    work = workOf(row?.['QUERY PLAN'][0].Plan)
    throw undone
  })
  await assert.rejects(running, (error) => error === undone)
  return work
}

const { prune, prunePlain, pruneReturning, prunePlainReturning } = statements(names('session', undefined))
const values = { now: String(Date.now() / 1000), limit: '1000', from: '', skip: '0' }

for (const [pages, rows] of [
  [0, 0],
  [1, 0],
  [1, 1],
  [300, 0],
  [300, 1],
] as const)
  test(`no batch compares every row with every other, if there were ${rows} on ${pages} pages`, async () => {
    await db.sql`
      update pg_class set relpages = ${pages}, reltuples = ${rows}
      where oid = 'session'::regclass or oid in (select indexrelid from pg_index where indrelid = 'session'::regclass)`
    for (const statement of [prune, prunePlain, pruneReturning, prunePlainReturning])
      for (const isGeneric of major < 12 ? [false] : [false, true]) {
        const work = await measure(statement, values, isGeneric)
        assert.ok(work >= 2000 && work <= 5 * ROWS, `${work} rows, generic: ${isGeneric}: ${statement.text}`)
      }
  })

test('no connection is left behind', () => db.drop())
