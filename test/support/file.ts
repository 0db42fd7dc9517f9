// Runs one file of tests by uvu, in a process of its own: what escapes from a test ends that file and no
// other. Knows nothing of what the tests need.

import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { compiled } from './compiled.ts'

export interface Result {
  readonly name: string
  readonly passed: number
  readonly failed: number
  /** Titles, each with its reason. */
  readonly skipped: readonly string[]
  /** What was done again because the machine stood still, each with how long. */
  readonly repeated: readonly string[]
  /** Everything that the file printed. */
  readonly output: string
  /** What Node warned of. */
  readonly warnings: string
  /** What is wrong with the file as a whole. */
  readonly trouble: string | undefined
  readonly seconds: number
}

const uvu = fileURLToPath(new URL('../../node_modules/uvu/bin.js', import.meta.url))
const tests = fileURLToPath(new URL('..', import.meta.url))

// Whatever was started for the tests ends with this process, and removes its files.
// Ctrl-C arrives more than once where npm passes it on, and by default the second one would end this in the
// middle.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => process.exit(130))
const running = new Set<ChildProcess>()
process.once('exit', () => {
  for (const child of running) child.kill()
})

/**
 * @param name path of the file below test/, with slashes
 * @param hear is given what the file prints, as it prints it
 */
export async function runFile(
  name: string,
  env: NodeJS.ProcessEnv,
  hear: (text: string) => void,
  limitMinutes = 10,
): Promise<Result> {
  const pattern = `^${name.replaceAll('.', '\\.').replaceAll('/', '[\\\\/]')}$`
  const args = [...(await compiled()), uvu, tests, pattern, '--no-color']
  const began = Date.now()
  const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'pipe'] })
  let trouble: string | undefined
  const giveUp = (reason: string) => {
    trouble = reason
    child.kill('SIGKILL')
  }
  const limit = setTimeout(() => giveUp(`did not end within ${limitMinutes} minutes`), limitMinutes * 60_000)
  let leak: NodeJS.Timeout | undefined
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text
    hear(text)
    // What the tests leave open would hold an app as well.
    if (/Duration:/.test(output))
      leak ??= setTimeout(() => giveUp('its process does not end: something is left open'), 20_000)
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    output += text
    hear(text)
  })
  running.add(child)
  const code = await new Promise((resolve) => child.once('close', resolve))
  running.delete(child)
  clearTimeout(limit)
  clearTimeout(leak)

  const count = (what: string) => Number(new RegExp(`^ +${what}: +(\\d+)`, 'm').exec(output)?.[1] ?? 0)
  const passed = count('Passed')
  const failed = count('Total') - passed
  const lines = (pattern: RegExp) => [...output.matchAll(pattern)].map(([, text]) => text as string)
  const skipped = lines(/^Skipped: (.*)$/gm)
  const repeated = lines(/Repeated: (.*)$/gm)
  // uvu says nothing of a file that forgets to run its tests, and calls a suite whose set-up failed a
  // success.
  if (passed + failed + skipped.length === 0 && code === 0) trouble ??= 'no test ran in it'
  if (code !== 0 && failed === 0) trouble ??= `its process ended with ${code ?? 'a signal'}`
  const warnings = (output.match(/^\(node:\d+\) .*$/gm) ?? []).join('\n')
  const seconds = (Date.now() - began) / 1000
  const counts = { passed, failed: failed || (trouble ? 1 : 0), skipped, repeated }
  return { name, ...counts, output, warnings, trouble, seconds }
}
