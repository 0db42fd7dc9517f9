// Programs that are not installed: from Debian's packages, unpacked beside the system and not installed in
// it, where that can be done.

import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const FOLDER = fileURLToPath(new URL('../node_modules/.debian', import.meta.url))

/**
 * @param {string} program
 * @param {string} name of the package that has it
 * @returns {{ command: string, env: NodeJS.ProcessEnv } | undefined} how to start it
 */
export function programOf(program, name) {
  if (works(program, process.env)) return { command: program, env: process.env }
  const command = `${FOLDER}/usr/bin/${program}`
  try {
    if (!existsSync(command)) unpack(name)
  } catch (error) {
    console.log(`${program} could not be had: ${error.message}`)
  }
  const libraries = ['x86_64', 'aarch64'].map((machine) => `${FOLDER}/usr/lib/${machine}-linux-gnu`)
  const env = { ...process.env, LD_LIBRARY_PATH: libraries.join(':') }
  return works(command, env) ? { command, env } : undefined
}

const works = (command, env) => spawnSync(command, ['--version'], { env }).status === 0

function unpack(name) {
  mkdirSync(FOLDER, { recursive: true })
  const run = (...given) =>
    execFileSync(given[0], given.slice(1), { cwd: FOLDER, timeout: 120_000, stdio: 'pipe' })
  run('apt-get', '-qq', 'update')
  const cache = `Dir::Cache::archives=${FOLDER}`
  run('apt-get', '-qq', '-y', '--no-install-recommends', '-o', cache, '--download-only', 'install', name)
  for (const file of readdirSync(FOLDER).filter((each) => each.endsWith('.deb'))) run('dpkg', '-x', file, '.')
}
