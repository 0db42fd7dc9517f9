// Mutation testing: puts plausible mistakes ("mutants") into src/ one by one, and runs the tests that reach
// each. Those that no test notices fail the run, unless `survivors.txt` says why nobody could.
//
//   npm run test:mutation                      what tests without a server can notice
//   npm run test:mutation -- queue sid         only files with one of the words in their path
//   npm run test:mutation -- --in-turn --minutes 10   as CI: recently changed files first, ten minutes at most
//   npm run test:mutation -- --server --sample 20     what needs a server, every twentieth mutant
//   … --at-once 1                              how many are tried at once

import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import type { LogLevel, MutantResult } from '@stryker-mutator/api/core'
import { Stryker } from '@stryker-mutator/core'
import { startPostgres } from '../../server/postgres.js'
import { SERVER_FLAGS, TEMPLATE, template } from '../support/template.ts'
import { filesOf, inTurn, testsFor } from './rooms.ts'
import { type FileRunnerOptions, NOT_REACHED } from './runner.ts'
import { changeOf, outdated, readList, type Survivor, unlisted } from './survivors.ts'

const { values, positionals: words } = parseArgs({
  allowPositionals: true,
  options: {
    server: { type: 'boolean', default: false },
    'in-turn': { type: 'boolean', default: false },
    minutes: { type: 'string', default: '1000' },
    sample: { type: 'string', default: '1' },
    'at-once': { type: 'string', default: String(Math.max(2, availableParallelism())) },
  },
})
const { server } = values
/** How many of a hundred mutants have to be noticed. */
const target = server ? 85 : 90
const until = Date.now() + Number(values.minutes) * 60_000

process.chdir(fileURLToPath(new URL('../..', import.meta.url)))
const files = filesOf(server).filter(
  (file) => words.length === 0 || words.some((word) => file.includes(word)),
)
if (files.length === 0) throw new Error(`No file has one of these in its path: ${words.join(', ')}`)

/** As they are now: somebody may go on with their work meanwhile. */
const textOf = new Map(files.map((file) => [file, readFileSync(file, 'utf8')]))
const skipped: string[] = []

const postgres = server ? await startServer() : undefined
const results: MutantResult[] = []
try {
  for (const part of values['in-turn'] ? inTurn(files) : [files]) {
    if (Date.now() > until) skipped.push(...part)
    else if (part.length > 0) results.push(...(await mutate(part)))
  }
} finally {
  await postgres?.stop()
}
process.exit(report() ? 0 : 1)

/** The server of all tests that need one, found by them in the environment. */
async function startServer(): Promise<Awaited<ReturnType<typeof startPostgres>>> {
  const { data } = await template()
  const flags = [...SERVER_FLAGS, '-c', 'max_connections=300']
  const started = await startPostgres({ like: { data }, inMemory: true, flags })
  process.env[TEMPLATE] = data
  process.env['TEST_DATABASE_URL'] = started.url
  return started
}

function mutate(part: readonly string[]): Promise<MutantResult[]> {
  const options: FileRunnerOptions = {
    tests: testsFor(server),
    sample: Number(values.sample),
    until,
    secondsEach: 60,
  }
  const typescript = '--import=tsx'
  return new Stryker({
    mutate: [...part],
    files: options,
    testRunner: 'files',
    plugins: [new URL('runner.ts', import.meta.url).href],
    testRunnerNodeArgs: [typescript],
    checkerNodeArgs: [typescript],
    coverageAnalysis: 'perTest',
    concurrency: Number(values['at-once']),
    dryRunTimeoutMinutes: 60,
    // The runner limits the time of each test by itself, which needs no new runner.
    timeoutMS: 3_600_000,
    tempDirName: 'coverage/mutation',
    cleanTempDir: 'always',
    ignorePatterns: ['coverage', 'dist', '/bench/node_modules', '/examples', '/test/{hosts,moving,tarball}'],
    // Compiled once: to start a test by tsx takes several times as long as most tests. By the path from the
    // folder of the copy, which has no node_modules yet.
    buildCommand: 'node ../../../node_modules/typescript/bin/tsc --noEmit false --noCheck --allowJs false',
    // Stryker 9.6 would rewrite it by a function that TypeScript 7 does not have.
    tsconfigFile: 'none',
    reporters: ['progress-append-only'],
    logLevel: 'warn' as LogLevel,
    warnings: false,
  }).runMutationTest()
}

/** Prints what came of all mutants. @returns whether that is good enough */
function report(): boolean {
  const tried = results.filter(({ status }) => status !== 'RuntimeError')
  const survivors = tried
    .filter(({ status }) => status === 'Survived' || status === 'NoCoverage')
    .map(toSurvivor)
  const list = readList(new URL('survivors.txt', import.meta.url))
  const unknown = server ? survivors : unlisted(list, survivors)
  for (const { file, line, change } of unknown) console.log(`Not noticed: ${file}:${line}\n    ${change}`)

  const cut = results.filter(({ statusReason }) => statusReason === NOT_REACHED).map(fileOf)
  const unreached = new Set([...cut, ...skipped])
  if (unreached.size > 0) console.log(`The time was over before all of: ${[...unreached].join(', ')}`)

  const whole = new Set(files.filter((file) => !unreached.has(file)))
  if (!server && values.sample === '1') {
    for (const entry of outdated(list, survivors, whole))
      console.log(`Noticed, or gone, and still listed: ${entry}`)
  }
  const noticed = tried.length - survivors.length
  const percent = (100 * noticed) / tried.length
  console.log(
    `${noticed} of ${tried.length} mutants noticed (${percent.toFixed(1)} %, at least ${target} %), ` +
      `${survivors.length - unknown.length} listed, ${unknown.length} neither`,
  )
  return server ? percent >= target : unknown.length === 0 && (percent >= target || words.length > 0)
}

function fileOf({ fileName }: MutantResult): string {
  return relative('', fileName).replaceAll('\\', '/')
}

function toSurvivor(result: MutantResult): Survivor {
  const { start, end } = result.location
  const file = fileOf(result)
  const lines = textOf
    .get(file)!
    .split('\n')
    .slice(start.line - 1, end.line)
  // From the end on, in case both are on one line.
  lines.push(lines.pop()!.slice(0, end.column - 1))
  lines.unshift(lines.shift()!.slice(start.column - 1))
  const change = changeOf(result.mutatorName, lines.join('\n'), result.replacement ?? '')
  return { file, line: start.line, change }
}
