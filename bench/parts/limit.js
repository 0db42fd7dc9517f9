// How much the server alone can do: the store's own statements, sent by pgbench with the batches that the
// store makes, and no Node in the way.

import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { names } from '../../dist/table/names.js'
import { statements } from '../../dist/table/statements.js'
import { sessionOf, sid } from '../load/workloads.js'
import { inside } from '../servers/process.js'
import { ours } from '../subjects/roster.js'

const BATCH = 128
const ROWS = 2048
const BYTES = 300
/** As many as the store has lanes of each kind. */
const CLIENTS = 2
const VERBS = { get: 'get', 'set loaded': 'update' }

/** @returns one row for each operation, none if there is no pgbench */
export async function limit({ at, sql }, { plan, log }) {
  if (spawnSync('pgbench', ['--version']).status !== 0) return []
  const { rounds: count, ms } = plan.limit
  await sql`truncate session`
  await inside(ours(), at, (tell) => tell('fill', { rows: ROWS, bytes: BYTES }))
  await sql`vacuum analyze session`
  const results = []
  for (const [operation, verb] of Object.entries(VERBS)) {
    const task = { operation, concurrency: 2 * BATCH, ms, warmMs: 300, rows: ROWS, bytes: BYTES }
    const rounds = await inside(ours(), at, async (tell) => {
      const rounds = []
      for (let round = 0; round < count; round++) {
        const { rate } = await tell('run', task)
        rounds.push({ rate, limit: await pgbench(at.postgres, verb, ms / 1000) })
      }
      return rounds
    })
    results.push({ store: ours().name, operation, concurrency: 2 * BATCH, rounds })
    log(`pgbench, ${operation}`)
  }
  return results
}

/** @returns rows per second */
async function pgbench(url, verb, seconds) {
  const directory = mkdtempSync(join(tmpdir(), 'connect-postgres-simple-bench-'))
  const { text, parameters } = statements(names('session', undefined))[verb]
  const values = []
  const files = []
  for (let from = 0; from < ROWS; from += BATCH) {
    const prefix = `s${from}`
    const given = valuesFrom(from)
    parameters.forEach((name, i) => {
      values.push('-D', `${prefix}_${i + 1}=${given[name]}`)
    })
    const file = join(directory, prefix)
    // The lists stay where the store has them: parameters of a prepared statement.
    const line = text.replace(/\$(\d+)/g, `:${prefix}_$1`).replace(/\s+/g, ' ')
    writeFileSync(file, `${line};\n`)
    files.push('-f', file)
  }
  try {
    const given = [
      '-n',
      '-M',
      'prepared',
      '-c',
      CLIENTS,
      '-T',
      Math.max(1, seconds),
      ...files,
      ...values,
      url,
    ].map(String)
    const tps = /tps = ([\d.]+)/.exec(await output('pgbench', given))?.[1]
    return Number(tps) * BATCH
  } finally {
    rmSync(directory, { recursive: true })
  }
}

/** Of one batch, by the names of the statement's parameters. */
function valuesFrom(first) {
  const separator = '\x01'
  const all = (value) => Array.from({ length: BATCH }, (_, i) => value(first + i)).join(separator)
  const now = Math.ceil(Date.now() / 1000)
  return {
    separator,
    sids: all(sid),
    now,
    latest: now + 3600,
    lockWaitMs: 250,
    expiries: all(() => now + 86_400 + Math.floor(Math.random() * 10_000)),
    aliveAts: all(() => now),
    texts: all((each) => JSON.stringify(sessionOf(each, BYTES))),
  }
}

function output(command, given) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, given)
    let text = ''
    child.stdout.on('data', (data) => {
      text += data
    })
    let failed = ''
    child.stderr.on('data', (data) => {
      failed += data
    })
    child.once('close', (code) => (code === 0 ? resolve(text) : reject(new Error(failed.slice(0, 2000)))))
  })
}
