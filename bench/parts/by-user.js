// The sessions of one user among many, found by the index and without it.

import { performance } from 'node:perf_hooks'
import session from 'express-session'
import connectPostgresSimple from '../../dist/index.js'
import { percentiles } from '../load/closed.js'
import { fillBySql } from '../servers/rows.js'
import { OURS } from '../subjects/roster.js'

const SESSIONS = 10

/** @returns one row for each size of the table */
export async function byUser(servers, { plan, huge, log }) {
  const { sizes, rounds, calls } = plan.byUser
  const results = []
  for (const size of [...sizes, ...(huge ? [10_000_000] : [])]) {
    const users = size / SESSIONS
    await fill(servers.sql, size, users)
    const store = new (connectPostgresSimple(session))({
      conString: servers.at.postgres,
      pruneSessionInterval: false,
      timeout: 300,
    })
    try {
      const find = async () => {
        const began = performance.now()
        const found = await store.entriesByUser(Math.floor(Math.random() * users))
        if (found.length !== SESSIONS) throw new Error(`${found.length} sessions of a user, not ${SESSIONS}`)
        return performance.now() - began
      }
      const withoutMs = await find()
      const built = performance.now()
      await store.createUserIndex()
      const buildSeconds = (performance.now() - built) / 1000
      await servers.sql`vacuum analyze session`
      for (let i = 0; i < calls / 10; i++) await find()
      const measured = []
      for (let round = 0; round < rounds; round++) {
        const latencies = []
        for (let i = 0; i < calls; i++) latencies.push(await find())
        measured.push({ ...percentiles(latencies), worst: Math.max(...latencies), withoutMs, buildSeconds })
      }
      results.push({ store: OURS, rows: size, sessions: SESSIONS, rounds: measured })
    } finally {
      await store.close()
    }
    log(`entriesByUser among ${size} rows`)
  }
  return results
}

/** Without an index on users. */
async function fill(sql, size, users) {
  const indexes = await sql`
    select indexrelid::regclass::text as name from pg_index
    where indrelid = 'session'::regclass and indexprs is not null`
  for (const { name } of indexes) await sql.unsafe(`drop index ${name}`)
  await fillBySql(
    sql,
    size,
    sql`'passport', json_build_object('user', n % ${users}::int), 'list', repeat('some "quoted" text ', 9)`,
  )
}
