// Runs files of tests for Stryker, each in a process of its own, compiled and with plain Node. Promises that
// a mutant which hangs ends, and that it is tried first by the files that are about its place, then by the
// fastest that reach it. Must not know which mistakes there are.

import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { CoverageData, Mutant, StrykerOptions } from '@stryker-mutator/api/core'
import { commonTokens, declareClassPlugin, PluginKind, tokens } from '@stryker-mutator/api/plugin'
import {
  type DryRunResult,
  DryRunStatus,
  type MutantRunOptions,
  type MutantRunResult,
  MutantRunStatus,
  type TestRunner,
  TestStatus,
} from '@stryker-mutator/api/test-runner'
import { closestTo } from './rooms.ts'

/** What `run.ts` tells the runner, as `files` among the options of Stryker. */
export interface FileRunnerOptions {
  /** Paths of the files of tests from the root of the project. */
  readonly tests: readonly string[]
  /** One of how many mutants is tried. */
  readonly sample: number
  /** The mutants after this moment, in ms since 1970, are not tried. */
  readonly until: number
  /** How many seconds of tests a mutant is worth at most. No longer test is tried at all. */
  readonly secondsEach: number
}

/** Why a mutant was not tried. */
export const NOT_REACHED = 'not reached'
export const NOT_IN_SAMPLE = 'not in the sample'

// Where one runner leaves how long each file takes, for itself and others.
const TIMES = 'mutation-times.json'
const COVERAGE = resolve('coverage/mutation-hits')

interface Run {
  readonly status: 'passed' | 'failed' | 'late'
  readonly ms: number
  readonly output: string
}

class FileRunner implements TestRunner {
  static inject = tokens(commonTokens.options)
  readonly #options: FileRunnerOptions
  readonly #children = new Set<ChildProcess>()
  #times: Record<string, number> | undefined
  /** Which tests noticed the last mutant, by the file that it is in: they will notice the next one as well. */
  readonly #noticedBy = new Map<string, string>()

  constructor(options: StrykerOptions) {
    this.#options = options['files'] as FileRunnerOptions
  }

  capabilities(): { reloadEnvironment: boolean } {
    return { reloadEnvironment: true }
  }

  /** Runs all tests without a mutant, to see that they pass, how long each file takes and what it reaches. */
  async dryRun(): Promise<DryRunResult> {
    const runs: { file: string; ms: number; hits: CoverageData }[] = []
    for (const file of this.#options.tests) {
      rmSync(COVERAGE, { recursive: true, force: true })
      const limitMs = this.#options.secondsEach * 1000
      const { status, ms, output } = await this.#run(file, { MUTATION_COVERAGE: COVERAGE }, limitMs)
      if (status === 'late') {
        console.log(`${file} takes too long, and is left out`)
        continue
      }
      if (status !== 'passed') {
        return { status: DryRunStatus.Error, errorMessage: `${file} ${status} without a mutant:\n${output}` }
      }
      runs.push({ file, ms, hits: readHits() })
    }
    runs.sort((a, b) => a.ms - b.ms)
    writeFileSync(TIMES, JSON.stringify(Object.fromEntries(runs.map(({ file, ms }) => [file, ms]))))
    return {
      status: DryRunStatus.Complete,
      tests: runs.map(({ file, ms }) => ({
        ...{ id: file, name: file, fileName: file, timeSpentMs: ms, status: TestStatus.Success },
      })),
      // In a process of its own all that a file reaches is reached with the mutant, also what runs as it loads.
      mutantCoverage: {
        static: {},
        perTest: Object.fromEntries(runs.map(({ file, hits }) => [file, hits])),
      },
    }
  }

  async mutantRun({ activeMutant, testFilter, hitLimit }: MutantRunOptions): Promise<MutantRunResult> {
    const { sample, until, secondsEach } = this.#options
    if (numberOf(activeMutant) % sample > 0) return left(NOT_IN_SAMPLE)
    if (Date.now() > until) return left(NOT_REACHED)
    const env = {
      __STRYKER_ACTIVE_MUTANT__: activeMutant.id,
      ...(hitLimit !== undefined && { MUTATION_HIT_LIMIT: String(hitLimit) }),
    }
    this.#times ??= JSON.parse(readFileSync(TIMES, 'utf8')) as Record<string, number>
    const times = this.#times
    const first = this.#noticedBy.get(activeMutant.fileName)
    const place = activeMutant.fileName.replaceAll('\\', '/').replace(/^.*(?=src\/)/, '')
    const closest = closestTo(place)
    const costOf = (file: string) =>
      file === first ? -1 : closest.includes(file) ? times[file]! / 1_000_000 : times[file]!
    const files = [...(testFilter ?? [])].sort((a, b) => costOf(a) - costOf(b))
    let ms = 0
    let nrOfTests = 0
    for (const file of files) {
      ms += times[file]!
      if (nrOfTests > 0 && ms > secondsEach * 1000) break
      nrOfTests++
      const { status, output } = await this.#run(file, env, 3000 + 4 * times[file]!)
      if (status !== 'passed') this.#noticedBy.set(activeMutant.fileName, file)
      if (status === 'late') return { status: MutantRunStatus.Timeout, reason: file }
      if (status === 'failed') {
        return { status: MutantRunStatus.Killed, killedBy: [file], failureMessage: output, nrOfTests }
      }
    }
    return { status: MutantRunStatus.Survived, nrOfTests }
  }

  async dispose(): Promise<void> {
    for (const child of this.#children) stop(child)
  }

  async #run(file: string, env: NodeJS.ProcessEnv, limitMs: number): Promise<Run> {
    const began = Date.now()
    const preload = pathToFileURL(resolve('test/mutation/preload.js')).href
    // By the environment, so that the processes that a test starts have it, too.
    const NODE_OPTIONS = `--import ${preload}`
    const child = spawn(process.execPath, [file.replace(/\.ts$/, '.js')], {
      env: { ...process.env, NODE_OPTIONS, NO_COLOR: '1', NODE_ENV: 'test', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      // A group of its own, which ends with all that it has started.
      detached: true,
    })
    this.#children.add(child)
    let output = ''
    let status: Run['status'] | undefined
    const end = (as: 'failed' | 'late') => {
      status ??= as
      stop(child)
    }
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        output = `${output}${text}`.slice(-10_000)
        // uvu's sign of a failed test. With a mutant the others of the file need not run.
        if (env['__STRYKER_ACTIVE_MUTANT__'] && text.includes('✘')) end('failed')
      })
    }
    const limit = setTimeout(() => end('late'), limitMs)
    const closed = new Promise((resolve) => child.once('close', resolve))
    const code = await new Promise((resolve) => child.once('exit', resolve))
    clearTimeout(limit)
    // What it has started may live on, and hold its output open.
    stop(child)
    await closed
    this.#children.delete(child)
    // uvu's last line is missing where the process ended while a test was still waiting.
    const hasPassed = code === 0 && output.includes('Duration:')
    return { status: status ?? (hasPassed ? 'passed' : 'failed'), ms: Date.now() - began, output }
  }
}

function stop(child: ChildProcess): void {
  try {
    process.kill(-child.pid!, 'SIGKILL')
  } catch {
    // It has ended, with all that it had started.
  }
}

function readHits(): CoverageData {
  const sum: CoverageData = {}
  for (const file of existsSync(COVERAGE) ? readdirSync(COVERAGE) : []) {
    const hits: CoverageData = JSON.parse(readFileSync(`${COVERAGE}/${file}`, 'utf8'))
    for (const [id, count] of Object.entries(hits)) sum[id] = (sum[id] ?? 0) + count
  }
  return sum
}

/** The same for the same mutant in every run, whatever mutants there are beside it. */
function numberOf({ mutatorName, location, replacement, fileName }: Mutant): number {
  const text = JSON.stringify([fileName.slice(fileName.indexOf('src')), mutatorName, location, replacement])
  return createHash('sha256').update(text).digest().readUInt32BE()
}

function left(errorMessage: string): MutantRunResult {
  return { status: MutantRunStatus.Error, errorMessage }
}

export const strykerPlugins = [declareClassPlugin(PluginKind.TestRunner, 'files', FileRunner)]
