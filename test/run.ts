// Runs all tests, or those whose file name holds the first argument, on a PostgreSQL of their own, under c8 and within
// a time limit. Ends with a line that counts, and fails unless every test that exists has run and passed.

import { execFileSync, spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { startPostgres } from '../server/postgres.js'

const LIMIT_MINUTES = 20
const pattern = process.argv[2] ?? ''
const program = (path: string) => fileURLToPath(new URL(`../node_modules/${path}`, import.meta.url))

// What the demo and the package's users run.
execFileSync(process.execPath, [fileURLToPath(new URL('../scripts/build.js', import.meta.url))], {
  stdio: 'inherit',
})

const postgres = await startPostgres({
  // Not UTC, with daylight saving, off by half an hour: what is only right in UTC fails.
  flags: ['-c', 'timezone=America/St_Johns', '-c', 'fsync=off', '-c', 'max_connections=300'],
})
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(signal, () => postgres.stop().finally(() => process.exit(130)))
}

const uvu = ['--import', 'tsx', program('uvu/bin.js'), 'test']
const only = pattern !== ''
const child = spawn(
  process.execPath,
  [
    ...(only ? [] : [program('c8/bin/c8.js'), process.execPath]),
    ...uvu,
    `${pattern}.*\\.test\\.ts$`,
    '--no-color',
  ],
  {
    env: { ...process.env, TEST_DATABASE_URL: postgres.url, NO_COLOR: '1', NODE_ENV: 'test' },
    stdio: ['ignore', 'pipe', 'inherit'],
  },
)
const limit = setTimeout(() => {
  console.error(`The tests did not end within ${LIMIT_MINUTES} minutes`)
  child.kill('SIGKILL')
}, LIMIT_MINUTES * 60_000)

let output = ''
let leak: NodeJS.Timeout | undefined
child.stdout.setEncoding('utf8').on('data', (text: string) => {
  output += text
  process.stdout.write(text)
  if (/Duration:/.test(output)) leak ??= setTimeout(leaked, 20_000)
})
/** What the tests leave open would hold an app as well. */
function leaked(): void {
  console.error('The tests are done but their process does not end: something is left open')
  child.kill('SIGKILL')
}
const code = await new Promise((resolve) => child.once('close', resolve))
clearTimeout(limit)
clearTimeout(leak)
await postgres.stop()

const count = (name: string) => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(output)?.[1] ?? 0)
const passed = count('Passed')
const failed = count('Total') - passed
const files = readdirSync(new URL('.', import.meta.url), { encoding: 'utf8', recursive: true }).filter(
  (name) => name.endsWith('.test.ts'),
)
// uvu says nothing of a file that forgets to run its tests, and calls a suite whose set-up failed a success.
const silent = only ? [] : files.filter((name) => !new RegExp(`^${name}\\n.*[•✘]`, 'm').test(output))
if (silent.length > 0) console.error(`No test ran in ${silent.join(', ')}`)
console.log(`${passed} passed, ${failed} failed`)
process.exit(code === 0 && failed === 0 && passed > 0 && silent.length === 0 ? 0 : 1)
