// How much the server alone can do: the store's own statements, sent by pgbench with the batches that the store makes, and
// no Node in the way.

import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { statements } from '../dist/table/statements.js'
import { number, of, ratio, table } from './figures.js'
import { inside } from './store-level.js'
import { sessionOf, sid } from './workloads.js'

const OURS = 'connect-postgres-simple'
const BATCH = 128
const ROWS = 2048
const BYTES = 300
/** As many as the store has lanes of each kind. */
const CLIENTS = 2
const CASES = { get: 'get', 'set loaded': 'update' }

/** @returns nothing if there is no pgbench */
export async function limit({ at, sql }, { quick, log }) {
  if (spawnSync('pgbench', ['--version']).status !== 0) return { missing: true }
  await sql`truncate session`
  await inside(OURS, at, (tell) => tell('fill', { rows: ROWS, bytes: BYTES }))
  await sql`vacuum analyze session`
  const results = []
  for (const [operation, verb] of Object.entries(CASES)) {
    const rounds = []
    await inside(OURS, at, async (tell) => {
      for (let round = 0; round < (quick ? 1 : 5); round++) {
        const task = { operation, concurrency: 2 * BATCH, ms: 2000, warmMs: 300, rows: ROWS, bytes: BYTES }
        const store = await tell('run', task)
        rounds.push({ rate: store.rate, limit: await pgbench(at.postgres, verb) })
      }
    })
    results.push({ operation, rounds })
    log(`pgbench, ${operation}`)
  }
  return results
}

/** @returns rows per second */
async function pgbench(url, verb) {
  const directory = mkdtempSync(join(tmpdir(), 'connect-postgres-simple-bench-'))
  const { text, parameters } = statements({ table: 'session', schema: '', name: 'session', index: '' })[verb]
  const values = []
  const files = []
  for (let from = 0; from < ROWS; from += BATCH) {
    const names = `s${from}`
    const given = valuesFrom(from)
    parameters.forEach((name, i) => {
      values.push('-D', `${names}_${i + 1}=${given[name]}`)
    })
    const file = join(directory, names)
    // The lists stay where the store has them: parameters of a prepared statement.
    const line = text.replace(/\$(\d+)/g, `:${names}_$1`).replace(/\s+/g, ' ')
    writeFileSync(file, `${line};\n`)
    files.push('-f', file)
  }
  try {
    const given = ['-n', '-M', 'prepared', '-c', CLIENTS, '-T', 2, ...files, ...values, url].map(String)
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

export function limitSection(results) {
  if (results.missing) return ['Not measured: there is no pgbench here.']
  return [
    `The store's own statements with batches of ${BATCH}, over ${CLIENTS} connections, by pgbench with prepared statements: ` +
      'what the server can do while nobody else needs the machine.',
    '',
    ...table(
      ['operation', 'store, rows/s', 'pgbench, rows/s', 'share'],
      results.map((row) => [
        row.operation,
        number(of(row, 'rate')),
        number(of(row, 'limit')),
        ratio(of(row, 'rate'), of(row, 'limit'), 2),
      ]),
    ),
  ]
}
