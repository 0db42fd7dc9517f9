// Runs the files of tests, each in a process of its own and some at the same time: all of them, or those
// whose path below test/ contains one of the words on the command line. Starts the server that they need,
// prints each file's outcome and, last, a line with the number of tests that passed and failed. The run fails
// if a test or a whole file failed and, when all files have run, if they did not reach every line of src.

import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, rmSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { startPostgres } from '../server/postgres.js'
import { sideBySide } from './faults/side-by-side.ts'
import { type Result, runFile } from './support/file.ts'
import { SERVER_FLAGS, TEMPLATE, template } from './support/template.ts'

interface Room {
  /** About how long one of its files takes on two cores, alone. */
  seconds: number
  server?: true
  /** Whether its files start servers themselves. */
  ownServers?: true
  build?: true
  /**
   * Whether its files run only where a word names the room: they need more than comes with `npm ci`, or show
   * nothing of what users have.
   */
  onlyByName?: true
}

const rooms: Record<string, Room> = {
  browser: { seconds: 40, build: true, server: true, onlyByName: true },
  cli: { seconds: 10, server: true, ownServers: true },
  faults: { seconds: 12, ownServers: true },
  package: { seconds: 12, build: true, server: true },
  release: { seconds: 30, onlyByName: true },
  store: { seconds: 4, server: true },
  unit: { seconds: 1 },
}
/** What takes much longer than others of its room, in seconds. It begins first, so as not to end last. */
const long: Record<string, number> = {
  'cli/doctor': 30,
  'cli/doctor-around': 30,
  'cli/hosts': 15,
  'cli/interruption': 17,
  'store/unguarded': 30,
  'store/races': 20,
  'store/exit': 18,
  'store/time': 18,
  'store/failed-calls': 17,
  'store/logout': 16,
  'store/connection': 12,
  'store/trouble': 12,
  'store/store': 12,
  'store/table': 12,
  'faults/network': 15,
  'faults/pools': 15,
}

const words = process.argv.slice(2)
const everything = words.length === 0
// Most of what a test does is to wait: with half as many the cores are idle for a fifth of the time.
const atATime = 3 * Math.max(2, availableParallelism())
const root = fileURLToPath(new URL('..', import.meta.url))
const isWanted = (name: string, folder: string) => {
  const fitting = words.filter((word) => name.includes(word))
  if (rooms[folder]?.onlyByName) return fitting.some((word) => word.startsWith(folder))
  return everything || fitting.length > 0
}
const files = Object.entries(rooms)
  .flatMap(([folder, room]) =>
    readdirSync(new URL(`${folder}/`, import.meta.url))
      .filter((file) => file.endsWith('.test.ts'))
      .map((file) => `${folder}/${file}`)
      .filter((name) => isWanted(name, folder))
      .map((name) => ({ name, folder, room, seconds: long[name.replace('.test.ts', '')] ?? room.seconds })),
  )
  .sort((a, b) => b.seconds - a.seconds)
const unknown = words.find((word) => !files.some(({ name }) => name.includes(word)))
if (unknown !== undefined || files.length === 0) {
  console.error(`No file of tests has ${unknown} in its path below test/`)
  process.exit(1)
}

// A fault waits more than it computes: they have a lane of their own, beside the others.
const faults = files.filter(({ folder }) => folder === 'faults')
const others = files.filter(({ folder }) => folder !== 'faults')
const secondsOf = (of: typeof files) => of.reduce((sum, { seconds }) => sum + seconds, 0)
// Side by side they hinder each other: so many seconds of files that run alone a core gets done in one.
const pace = 1.2 * Math.max(2, availableParallelism())
const expected = Math.max(...files.map(({ seconds }) => seconds), secondsOf(faults), secondsOf(files) / pace)
console.log(
  `Runs ${files.length === 1 ? files[0]?.name : `${files.length} files of tests, side by side`}` +
    `${everything ? ', and measures what lines they reach' : ''}: takes about ${duration(expected)}`,
)

const began = Date.now()
const needs = (what: 'server' | 'ownServers' | 'build') => files.some(({ room }) => room[what])
const [data, built] = await Promise.all([
  // Tests that have servers of their own start them with a copy of the same data.
  needs('server') || needs('ownServers') ? template().then((made) => made.data) : undefined,
  needs('build') ? build() : true,
])
// Not before the server whose data are copied has ended, as it would leave its files.
if (!built) process.exit(1)
const postgres = needs('server')
  ? await startPostgres({
      ...(data && { like: { data } }),
      inMemory: true,
      flags: [...SERVER_FLAGS, '-c', 'max_connections=300'],
    })
  : undefined

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
/** What a file has printed for the end of the run. */
const told = (what: 'skipped' | 'repeated') => {
  const lines = results.flatMap((result) => result[what].map((text) => `  ${result.name}: ${text}`))
  if (lines.length > 0) console.log(`\n${lines.length} ${what}\n${lines.join('\n')}`)
}
// All processes together, also those that the tests start.
const covered = !everything || report()
told('skipped')
told('repeated')
console.log(`\nTook ${duration((Date.now() - began) / 1000)}`)
console.log(`${sum('passed')} passed, ${sum('failed')} failed`)
// Tests that cannot be run here have said why.
const hasRun = results.some(({ passed, skipped }) => passed + skipped.length > 0)
process.exit(sum('failed') === 0 && hasRun && covered ? 0 : 1)

async function run({ name, folder }: { name: string; folder: string }): Promise<Result> {
  const env: NodeJS.ProcessEnv = { ...process.env, NO_COLOR: '1', NODE_ENV: 'test' }
  if (data) env[TEMPLATE] = data
  if (postgres) env['TEST_DATABASE_URL'] = postgres.url
  // Faults reach no line that the others do not, and measuring slows what they do to a third. Those of the
  // package run what was built, beside compilers and npm.
  if (everything && folder !== 'faults' && folder !== 'package') env['NODE_V8_COVERAGE'] = coverage
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

/** Makes what the demo and the package's users run. @returns whether it could */
async function build(): Promise<boolean> {
  const [code] = await once(
    spawn(process.execPath, ['scripts/build.js'], { cwd: root, stdio: 'inherit' }),
    'close',
  )
  return code === 0
}

/** Whether every line was reached. */
function report(): boolean {
  const args = [`${root}node_modules/c8/bin/c8.js`, 'report', '--temp-directory', coverage]
  return spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit' }).status === 0
}

function duration(seconds: number): string {
  if (seconds < 90) return `${Math.ceil(seconds)} seconds`
  const minutes = Math.floor(seconds / 60)
  return `${minutes} ${minutes === 1 ? 'minute' : 'minutes'} ${Math.ceil(seconds % 60)} seconds`
}
