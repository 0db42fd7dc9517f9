// Packages as a user installs them: into a folder of their own, outside the repository, with this package as
// it would be published beside them. Knows nothing of what they are for.

import { execFile } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

export const root = fileURLToPath(new URL('../..', import.meta.url))

/** Resolves with what it printed. Fails with all of that if it fails. */
export async function run(
  program: string,
  args: readonly string[],
  cwd: string,
  env: NodeJS.ProcessEnv = {},
): Promise<string> {
  try {
    const options = { cwd, env: { ...process.env, ...env }, maxBuffer: 64 * 1024 * 1024 }
    return (await promisify(execFile)(program, args, options)).stdout
  } catch (error) {
    const { message, stdout, stderr } = error as { message: string; stdout: string; stderr: string }
    throw new Error(`${message}\n${stdout}\n${stderr}`)
  }
}

export interface Folder {
  readonly path: string
  remove(): void
}

export function folder(): Folder {
  const path = mkdtempSync(join(tmpdir(), 'connect-postgres-simple-'))
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) }
}

/** The path of the tarball that `npm publish` would send. */
export async function pack(into: string): Promise<string> {
  const args = ['pack', '--json', '--ignore-scripts', '--pack-destination', into]
  return join(into, JSON.parse(await run('npm', args, root))[0].filename)
}

/** Unpacks the tarball into the node_modules of a folder. Its peers have to be there. */
async function unpack(tarball: string, into: string): Promise<void> {
  const home = join(into, 'node_modules/connect-postgres-simple')
  mkdirSync(home, { recursive: true })
  await run('tar', ['-xzf', tarball, '--strip-components=1', '-C', home], into)
}

/** A copy of a folder of the repository with its package.json and lock, installed. */
export async function installed(source: string): Promise<Folder> {
  const copy = folder()
  try {
    cpSync(join(root, source), copy.path, { recursive: true })
    await run('npm', ['ci', '--ignore-scripts'], copy.path)
    await unpack(await pack(copy.path), copy.path)
  } catch (error) {
    copy.remove()
    throw error
  }
  return copy
}
