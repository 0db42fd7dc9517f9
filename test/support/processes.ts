// Other processes, as an app has them. A worker is a file of test/workers that is told its task as JSON and
// answers by messages; a program is anything that runs until it ends or is killed. Knows nothing of the
// store.

import { type ChildProcess, fork, type Serializable, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { buildSync } from 'esbuild'

const root = fileURLToPath(new URL('../..', import.meta.url))
const FLAGS = ['--enable-source-maps']

let folder: string | undefined
const compiled = new Map<string, string>()

/**
 * A program in TypeScript, compiled once for each process that starts it: at every start it would take half a
 * second of the processor.
 * @param file its path in the repository @returns the path of what `node` can run
 */
export function compile(file: string): string {
  const known = compiled.get(file)
  if (known) return known
  if (!folder) {
    const made = mkdtempSync(join(tmpdir(), 'connect-postgres-simple-workers-'))
    // Where it finds the packages.
    symlinkSync(join(root, 'node_modules'), join(made, 'node_modules'), 'junction')
    process.once('exit', () => rmSync(made, { recursive: true, force: true }))
    folder = made
  }
  const outfile = join(folder, `${basename(file, '.ts')}.mjs`)
  buildSync({
    entryPoints: [join(root, file)],
    outfile,
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    sourcemap: 'inline',
  })
  compiled.set(file, outfile)
  return outfile
}

const compileWorker = (name: string) => compile(`test/workers/${name}.ts`)

/** What is reached in other processes is not measured: what they reach of src, a test reaches as well. */
function unmeasured(): NodeJS.ProcessEnv {
  const { NODE_V8_COVERAGE: _, ...env } = process.env
  return env
}

export interface Worker {
  /** The next message, or an error with what the worker printed if it ends without one. */
  next(): Promise<any>
  tell(message: Serializable): void
  /** Lets it end by itself. After so many seconds it is killed; that, and a failure of its own, fails. */
  end(seconds?: number): Promise<void>
}

export function worker(name: string, task: object): Worker {
  const child = fork(compileWorker(name), [JSON.stringify(task)], {
    env: unmeasured(),
    execArgv: FLAGS,
    // Sets, dates and undefined arrive as what they are.
    serialization: 'advanced',
    stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
  })
  const messages: unknown[] = []
  let wake = () => {}
  let printed = ''
  let ended: Error | undefined
  let failed = false
  child.stderr?.on('data', (text) => {
    printed += text
    process.stderr.write(text)
  })
  child.on('message', (message) => {
    messages.push(message)
    wake()
  })
  // A message that comes after its end would be lost as well.
  child.on('error', () => {})
  // Not by its 'close', which does not come after a disconnect.
  const said = new Promise<void>((resolve) => child.stderr?.on('close', resolve))
  const exited = new Promise<void>((resolve) =>
    child.on('exit', async (code, signal) => {
      await said
      ended = new Error(`worker ${name} ended with ${code ?? signal}\n${printed}`)
      failed = code !== 0
      wake()
      resolve()
    }),
  )
  return {
    async next() {
      while (messages.length === 0) {
        if (ended) throw ended
        await new Promise<void>((resume) => {
          wake = resume
        })
      }
      return messages.shift()
    },
    tell(message) {
      if (child.connected) child.send(message)
    },
    async end(seconds = 20) {
      if (child.connected) child.disconnect()
      const late = setTimeout(() => child.kill('SIGKILL'), seconds * 1000)
      await exited
      clearTimeout(late)
      if (failed) throw ended
    },
  }
}

/** Waits until all are ready, lets them start together, and gives their answers. */
export async function gather(workers: Worker[]): Promise<any[]> {
  try {
    await Promise.all(workers.map((each) => each.next()))
    for (const each of workers) each.tell('go')
    return await Promise.all(workers.map((each) => each.next()))
  } finally {
    await Promise.all(workers.map((each) => each.end()))
  }
}

export interface Ended {
  code: number | null
  signal: NodeJS.Signals | null
  output: string
  ms: number
}

export interface Program {
  readonly child: ChildProcess
  /** As a terminal does it: to the program and everything it has started. */
  ctrlC(): void
  /** Resolves with the first match in what the program prints. */
  printed(pattern: RegExp): Promise<RegExpExecArray>
  /** Resolves when it has ended; after so many seconds it is killed and this fails. */
  ended(seconds?: number): Promise<Ended>
}

/** In groups of their own, which the end of this process does not reach. */
const programs = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of programs) child.kill()
})

export function program(command: string, args: string[], env: NodeJS.ProcessEnv = {}): Program {
  const started = Date.now()
  const child = spawn(command, args, {
    env: { ...unmeasured(), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    // A group of its own, for Ctrl-C.
    detached: true,
  })
  programs.add(child)
  let output = ''
  let heard = () => {}
  const hear = (chunk: Buffer) => {
    output += chunk
    heard()
  }
  child.stdout.on('data', hear)
  child.stderr.on('data', hear)
  const end = new Promise<Ended>((resolve) =>
    child.on('close', (code, signal) => {
      programs.delete(child)
      resolve({ code, signal, output, ms: Date.now() - started })
      heard()
    }),
  )
  return {
    child,
    ctrlC: () => void process.kill(-(child.pid as number), 'SIGINT'),
    async printed(pattern) {
      for (;;) {
        const match = pattern.exec(output)
        if (match) return match
        if (child.exitCode !== null) throw new Error(`ended before it printed ${pattern}:\n${output}`)
        await new Promise<void>((resume) => {
          heard = resume
        })
      }
    },
    async ended(seconds = 20) {
      let timer: NodeJS.Timeout | undefined
      const late = new Promise<never>((_, reject) => {
        timer = setTimeout(() => {
          child.kill('SIGKILL')
          reject(new Error(`did not end within ${seconds} seconds:\n${output}`))
        }, seconds * 1000)
      })
      try {
        return await Promise.race([end, late])
      } finally {
        clearTimeout(timer)
      }
    },
  }
}

/** A file of test/workers as a program. */
export function script(name: string, env: NodeJS.ProcessEnv = {}): Program {
  return program(process.execPath, [...FLAGS, compileWorker(name)], env)
}
