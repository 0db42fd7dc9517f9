// `npm run bench:guard`: counts what operations need, which no machine's speed changes: statements, round
// trips, bytes on the wire, calls of functions, allocated bytes. Fails where a count is another by more
// than 5 % than the accepted one.
//   --accept   writes what was counted as accepted

import { readFileSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import postgres from 'postgres'
import { startPostgres } from '../server/postgres.js'
import { compare } from './guard/compare.js'
import { start } from './servers/process.js'

const ACCEPTED = new URL('guard.json', import.meta.url)
// So much new space that nothing is collected while allocations are counted.
const FLAGS = ['--expose-gc', '--min-semi-space-size=256', '--max-semi-space-size=256']

const { values } = parseArgs({ options: { accept: { type: 'boolean', default: false } } })
const counted = await count()
const node = process.versions.node.split('.')[0]
if (values.accept) {
  writeFileSync(ACCEPTED, `${JSON.stringify({ node, cases: counted }, undefined, 2)}\n`)
  console.log('bench/guard.json holds what was counted. Commit it, and say in the message why it changed.')
} else {
  const accepted = JSON.parse(readFileSync(ACCEPTED, 'utf8'))
  const { changes, notes } = compare(accepted, { node, cases: counted })
  for (const note of notes) console.log(note)
  for (const change of changes) console.log(change)
  if (changes.length > 0) {
    console.log('If that is meant, accept it: npm run bench:guard -- --accept')
    process.exitCode = 1
  } else console.log(`${Object.keys(counted).length} cases need what they needed, within 5 %.`)
}

async function count() {
  const server = await startPostgres({ own: true })
  const sql = postgres(server.url, { max: 1 })
  try {
    await sql.unsafe(readFileSync(new URL('../table.sql', import.meta.url), 'utf8'))
    const sent = await ask(server.url, 'sent', [])
    const allocated = await ask(server.url, 'allocated', FLAGS)
    const cases = Object.keys(sent).map((name) => [name, rounded({ ...sent[name], ...allocated[name] })])
    return Object.fromEntries(cases)
  } finally {
    await sql.end()
    await server.stop()
  }
}

/** In a process of its own. */
async function ask(url, command, execArgv) {
  const tell = await start('guard/count.js', { url }, execArgv)
  const counts = await tell(command)
  await tell('close')
  return counts
}

/** To four digits, which is what they are good for. */
function rounded(counts) {
  const entries = Object.entries(counts).map(([name, value]) => [name, Number(value.toPrecision(4))])
  return Object.fromEntries(entries)
}
