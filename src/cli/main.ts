// Chooses the command, runs it, and turns what it throws into one line and an exit code. Promises that no
// stack and no secret is printed. Must not know what the commands do.

import { readFileSync } from 'node:fs'
import { StoreError } from '../errors.ts'
import { helpOf, overviewOf, valuesOf } from './arguments.ts'
import { watchAttempts } from './attempts.ts'
import type { Command, ExitCode, FlagValues } from './command.ts'
import { cancelStatements } from './contact.ts'
import { doctor } from './doctor.ts'
import { init } from './init.ts'
import { logout } from './logout.ts'
import { prune } from './prune.ts'
import { printable, Screen, type Streams } from './screen.ts'
import { sessions } from './sessions.ts'
import { stats } from './stats.ts'
import { watchUnderWay } from './under-way.ts'
import { UsageError } from './usage.ts'

const COMMANDS: readonly Command[] = [init, doctor, prune, stats, sessions, logout]

/** @param args without the paths of Node and of the program */
export async function main(args: readonly string[], streams: Streams): Promise<ExitCode> {
  const screen = new Screen(streams)
  try {
    return await run(args, screen)
  } catch (error) {
    screen.endProgress()
    if (screen.achieved) screen.remark(screen.achieved)
    screen.remark(lineOf(error))
    // An answer of the server is a refusal. Anything else kept it from being asked.
    return error instanceof StoreError && error.severity === 'ERROR' ? 1 : 2
  }
}

async function run([name, ...rest]: readonly string[], screen: Screen): Promise<ExitCode> {
  if (name === '--version') {
    const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
    screen.line(version)
    return 0
  }
  if (name === '--help' || name === 'help') {
    screen.line(overviewOf(COMMANDS))
    return 0
  }
  const command = COMMANDS.find((each) => each.name === name)
  if (!command) {
    const names = COMMANDS.map((each) => each.name).join(', ')
    // What was given may be a URL with a password.
    const given = /^[\w-]{1,30}$/.test(name ?? '') ? `There is no command ${name}` : 'Expected a command'
    throw new UsageError(`${given}; the commands are ${names}; --help says more`)
  }
  const values = valuesOf(command, rest)
  if (values['help']) {
    screen.line(helpOf(command))
    return 0
  }
  return runUntilStopped(command, values, screen)
}

async function runUntilStopped(command: Command, values: FlagValues, screen: Screen): Promise<ExitCode> {
  const attempts = watchAttempts((reason) => screen.remark(`${lineOf(reason)}; it is tried again`))
  const underWay = watchUnderWay()
  try {
    const running = command.run(values, screen)
    // Asked at that moment: a statement that is under way loses its connection right after.
    const interrupted = aborted(screen.interruption, () => ({ isUnderWay: underWay.isAny }))
    const ended = await Promise.race([running, interrupted, attempts.hopeless])
    if (typeof ended === 'number') return ended
    screen.sayInterrupted()
    // Otherwise the server would go on with what nobody waits for.
    const failure = ended.isUnderWay && (await cancelStatements(values))
    if (failure) screen.sayUncancelled(printable(failure))
    return 130
  } finally {
    underWay.end()
    attempts.end()
  }
}

function aborted<T>(signal: AbortSignal, look: () => T): Promise<T> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(look())
    signal.addEventListener('abort', () => resolve(look()))
  })
}

/** Errors of the store and of this program hold no data. The message of any other is written by us, too. */
function lineOf(error: unknown): string {
  const [line = ''] = String((error as Error).message ?? error).split('\n')
  return `connect-postgres-simple: ${printable(line)}`
}
