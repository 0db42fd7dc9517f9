// A PostgreSQL of another version than the embedded one, where Debian's package of it is at hand. Knows
// nothing of the store.

import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { chownSync, existsSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { freePort, memory } from '../../server/postgres.js'

export interface Installed {
  readonly url: string
  stop(): Promise<void>
}

const programs = (version: number) => `/usr/lib/postgresql/${version}/bin`

/** Why there is none, if there is none. */
export function noPostgres(version: number): string | undefined {
  return existsSync(`${programs(version)}/initdb`) ? undefined : `PostgreSQL ${version} is not installed here`
}

/** @param flags for the `postgres` program */
export async function startInstalled(version: number, flags: readonly string[]): Promise<Installed> {
  const folder = mkdtempSync(join(memory(), 'connect-postgres-simple-'))
  const data = join(folder, 'data')
  // It refuses to run as root.
  const owner = process.getuid?.() === 0 ? { uid: idOf('-u'), gid: idOf('-g') } : {}
  if (owner.uid !== undefined) chownSync(folder, owner.uid, owner.gid as number)
  const path = programs(version)
  const initdb = ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--no-sync']
  execFileSync(join(path, 'initdb'), initdb, { ...owner, stdio: 'ignore', cwd: folder })
  const port = await freePort()
  const args = ['-D', data, '-p', String(port), '-k', folder, '-c', 'listen_addresses=127.0.0.1', ...flags]
  const child = spawn(join(path, 'postgres'), args, { ...owner, stdio: 'ignore', cwd: folder })
  const kill = () => child.kill('SIGINT')
  process.once('exit', kill)
  while (!isReady(path, port)) {
    if (child.exitCode !== null) throw new Error(`PostgreSQL ${version} did not start`)
    await new Promise((resume) => setTimeout(resume, 50))
  }
  return {
    url: `postgres://postgres@127.0.0.1:${port}/postgres`,
    async stop() {
      await ended(child)
      process.removeListener('exit', kill)
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

const idOf = (flag: string): number => Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }))

function ended(child: ChildProcess): Promise<unknown> {
  const end = new Promise((resolve) => child.once('close', resolve))
  child.kill('SIGINT')
  return end
}

function isReady(path: string, port: number): boolean {
  try {
    execFileSync(join(path, 'pg_isready'), ['-h', '127.0.0.1', '-p', String(port)], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}
