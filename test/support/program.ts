// Programs that stand between an app and its database, or keep one alive, where they are at hand. Each runs
// with a folder of its own, and leaves nothing. Must not know what they are for.

import { execFileSync, spawn } from 'node:child_process'
import { chownSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'

function servers(folder: string): string[] {
  try {
    const versions = readdirSync(folder).sort((a, b) => Number(b) - Number(a))
    return versions.map((version) => `${folder}/${version}/bin`)
  } catch {
    return []
  }
}

// Where Debian puts them, which is not on everybody's path. PostgreSQL's own are in a folder for each version,
// and have to be those of one.
const path = [...servers('/usr/lib/postgresql'), process.env['PATH'], '/usr/sbin'].join(delimiter)
const env = { ...process.env, PATH: path, LC_ALL: 'C.UTF-8' }

/** Where the program is; undefined if it is not installed. */
export function pathOf(program: string): string | undefined {
  try {
    return execFileSync('which', [program], {
      env,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim()
  } catch {
    return undefined
  }
}

/** Why a test that needs them cannot be run, if it cannot. */
export function missing(...programs: string[]): string | undefined {
  const absent = programs.filter((program) => !pathOf(program))
  return absent.length > 0 ? `not installed here: ${absent.join(', ')}` : undefined
}

/** What the program prints. */
export function output(program: string, ...args: string[]): string {
  return execFileSync(program, args, { env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim()
}

/** Whose the processes and files are: root cannot run PostgreSQL, and others need not ask. */
const user = process.getuid?.() === 0 ? idsOf('postgres') : {}

function idsOf(name: string): { uid?: number; gid?: number } {
  try {
    return { uid: Number(output('id', '-u', name)), gid: Number(output('id', '-g', name)) }
  } catch {
    return {}
  }
}

/** A folder for a program's files, which that program may write. */
export interface Folder {
  readonly path: string
  write(name: string, text: string): string
  remove(): void
}

export function folder(): Folder {
  const path = mkdtempSync(join(tmpdir(), 'connect-postgres-simple-'))
  const own = (name: string) => {
    if (user.uid !== undefined) chownSync(name, user.uid, user.gid!)
    return name
  }
  own(path)
  return {
    path,
    write(name, text) {
      const file = join(path, name)
      writeFileSync(file, text, { mode: 0o600 })
      return own(file)
    },
    remove: () => rmSync(path, { recursive: true, force: true }),
  }
}

/** Runs it to its end. @throws with what it printed, if it fails */
export function runOnce(program: string, ...args: string[]): void {
  execFileSync(program, args, { env, ...user, stdio: ['ignore', 'pipe', 'pipe'], cwd: '/' })
}

export interface Program {
  log(): string
  /** Ends it, with what it has started. */
  stop(signal?: NodeJS.Signals): Promise<void>
}

/** Starts it, and waits until it accepts connections on the port. @throws with its log, if it ends before */
export async function startProgram(program: string, args: string[], port: number): Promise<Program> {
  const child = spawn(program, args, {
    env,
    ...user,
    stdio: ['ignore', 'pipe', 'pipe'],
    cwd: '/',
    detached: true,
  })
  let log = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (text) => {
      log = `${log}${text}`.slice(-100_000)
    })
  }
  let isOver = false
  const ended = new Promise<void>((resolve) => {
    child.once('error', (error) => {
      log += error
      resolve()
    })
    child.once('exit', () => resolve())
  }).then(() => {
    isOver = true
  })
  // If the process ends without stopping it. It is the first of a group of its own.
  const end = (signal: NodeJS.Signals) => {
    try {
      process.kill(-child.pid!, signal)
    } catch {
      // All of it has ended.
    }
  }
  const kill = () => end('SIGKILL')
  process.once('exit', kill)
  while (!(await accepts(port))) {
    if (isOver) throw new Error(`${program} did not start:\n${log}`)
    await new Promise((resume) => setTimeout(resume, 20))
  }
  return {
    log: () => log,
    async stop(signal = 'SIGTERM') {
      child.kill(signal)
      await ended
      kill()
      process.removeListener('exit', kill)
    },
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
      .on('connect', () => resolve(true))
      .on('error', () => resolve(false))
      .on('connect', () => socket.destroy())
  })
}
