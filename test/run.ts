// Runs all tests, or those of the files whose path below test/ holds the first argument: each file in a
// process of its own, some at a time. Starts what they need, says how it goes, and ends with a line that
// counts. Fails unless every test that can be run here has run and passed, and, where all have run, every
// line of src was reached.

import { execFileSync, spawnSync } from 'node:child_process'
import { readdirSync, rmSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { startPostgres } from '../server/postgres.js'
import { sideBySide } from './faults/side-by-side.ts'
import { type Result, runFile } from './support/file.ts'

interface Room {
  /** About how long one of its files takes on two cores. */
  seconds: number
  server?: true
  build?: true
  /** Runs only by its name: it needs more than comes with `npm ci`. */
  onlyByName?: true
}

const rooms: Record<string, Room> = {
  browser: { seconds: 40, build: true, server: true, onlyByName: true },
  faults: { seconds: 12 },
  package: { seconds: 20, build: true, server: true },
  store: { seconds: 5, server: true },
  unit: { seconds: 1 },
}

const pattern = process.argv[2] ?? ''
const everything = pattern === ''
const atATime = Math.max(2, availableParallelism())
const root = fileURLToPath(new URL('..', import.meta.url))
const isWanted = (folder: string, name: string) =>
  name.endsWith('.test.ts') &&
  `${folder}/${name}`.includes(pattern) &&
  (!rooms[folder]?.onlyByName || pattern.startsWith(folder))
const files = Object.entries(rooms).flatMap(([folder, room]) =>
  readdirSync(new URL(`${folder}/`, import.meta.url))
    .filter((name) => isWanted(folder, name))
    .map((name) => ({ name: `${folder}/${name}`, folder, room })),
)
if (files.length === 0) {
  console.error(`No file of tests has ${pattern} in its path below test/`)
  process.exit(1)
}

// A fault waits more than it computes: they have a lane of their own, beside the others.
const faults = files.filter(({ folder }) => folder === 'faults')
const others = files.filter(({ folder }) => folder !== 'faults')
const secondsOf = (of: typeof files, atOnce: number) =>
  Math.max(
    0,
    ...of.map(({ room }) => room.seconds),
    of.reduce((sum, { room }) => sum + room.seconds, 0) / atOnce,
  )
const expected = Math.max(secondsOf(faults, 1), secondsOf(others, atATime))
console.log(
  `Runs ${files.length === 1 ? files[0]?.name : `${files.length} files of tests, side by side`}` +
    `${everything ? ', and measures what lines they reach' : ''}: takes about ${duration(expected)}`,
)

const began = Date.now()
const needs = (what: 'server' | 'build') => files.some(({ room }) => room[what])
// What the demo and the package's users run.
if (needs('build')) execFileSync(process.execPath, ['scripts/build.js'], { cwd: root, stdio: 'inherit' })
const postgres = needs('server')
  ? await startPostgres({
      // Not UTC, with daylight saving, off by half an hour: what is only right in UTC fails.
      flags: ['-c', 'timezone=America/St_Johns', '-c', 'fsync=off', '-c', 'max_connections=300'],
    })
  : undefined
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(signal, () => void Promise.resolve(postgres?.stop()).finally(() => process.exit(130)))
}

const coverage = `${root}coverage/tmp`
if (everything) rmSync(coverage, { recursive: true, force: true })
let done = 0
const lane = (atOnce: number, of: typeof files) =>
  sideBySide(
    atOnce,
    of.map((file) => () => run(file)),
  )
const results = await Promise.all([...lane(1, faults), ...lane(atATime, others)])
await postgres?.stop()

const sum = (what: 'passed' | 'failed') => results.reduce((count, result) => count + result[what], 0)
const skipped = results.flatMap((result) => result.skipped.map((text) => `${result.name}: ${text}`))
// All processes together, also those that the tests start.
const covered = !everything || report()
if (skipped.length > 0)
  console.log(`\n${skipped.length} skipped\n${skipped.map((text) => `  ${text}`).join('\n')}`)
console.log(`\nTook ${duration((Date.now() - began) / 1000)}`)
console.log(`${sum('passed')} passed, ${sum('failed')} failed`)
process.exit(sum('failed') === 0 && sum('passed') + skipped.length > 0 && covered ? 0 : 1)

async function run({ name, folder }: { name: string; folder: string }): Promise<Result> {
  const env: NodeJS.ProcessEnv = { ...process.env, NO_COLOR: '1', NODE_ENV: 'test' }
  if (postgres) env['TEST_DATABASE_URL'] = postgres.url
  // Faults reach no line that the others do not, and measuring slows what they do to a third.
  if (everything && folder !== 'faults') env['NODE_V8_COVERAGE'] = coverage
  const alone = files.length === 1
  const result = await runFile(name, env, (text) => void (alone && process.stdout.write(text)))
  const { passed, failed, trouble, output, warnings, seconds } = result
  const counts = [
    `${passed} passed`,
    failed && `${failed} failed`,
    result.skipped.length && `${result.skipped.length} skipped`,
  ]
  const place = `${String(++done).padStart(3)}/${files.length}`
  const took = `(${seconds.toFixed(1)} s)`
  const sign = failed ? '✘' : '✔'
  console.log(
    `${place} ${sign} ${name}: ${counts.filter(Boolean).join(', ')} ${took}${trouble ? `: ${trouble}` : ''}`,
  )
  if (failed && !alone) console.log(output)
  else if (warnings && !alone) console.log(warnings)
  return result
}

/** Whether every line was reached. */
function report(): boolean {
  const args = [`${root}node_modules/c8/bin/c8.js`, 'report', '--temp-directory', coverage]
  return spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit' }).status === 0
}

function duration(seconds: number): string {
  if (seconds < 90) return `${Math.ceil(seconds)} seconds`
  return `${Math.floor(seconds / 60)} minutes ${Math.ceil(seconds % 60)} seconds`
}
