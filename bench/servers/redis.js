// Redis servers, if it can be had: one that keeps sessions in memory only, and one that has each write on
// disk before it answers, as PostgreSQL has.

import { execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from '../../server/postgres.js'
import { programOf } from './debian.js'

const DURABILITY = {
  redis: ['--appendonly', 'no'],
  redisAlways: ['--appendonly', 'yes', '--appendfsync', 'always'],
}

/**
 * @returns {Promise<{ version?: string, servers: Record<string, Redis> }>} no servers where it is not
 *   installed
 * @typedef {{ url: string, pid: number, directory: string, stop(): Promise<void> }} Redis
 */
export async function startRedis() {
  const program = programOf('redis-server', 'redis-server')
  if (!program) return { servers: {} }
  const text = execFileSync(program.command, ['--version'], { env: program.env, encoding: 'utf8' })
  const servers = {}
  for (const [name, flags] of Object.entries(DURABILITY)) servers[name] = await launch(program, flags)
  return { version: /v=(\S+)/.exec(text)?.[1], servers }
}

async function launch({ command, env }, flags) {
  const port = await freePort()
  const directory = mkdtempSync(join(tmpdir(), 'connect-postgres-simple-redis-'))
  const options = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--dir', directory]
  const child = spawn(command, [...options, ...flags], { env, stdio: ['ignore', 'pipe', 'inherit'] })
  // For a process that ends without stopping it.
  const kill = () => child.kill()
  process.once('exit', kill)
  const ended = new Promise((resolve) => child.once('exit', resolve))
  await new Promise((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`redis-server ended with ${code}`)))
    child.stdout.on('data', (text) => String(text).includes('Ready to accept') && resolve(undefined))
  })
  return {
    url: `redis://127.0.0.1:${port}`,
    pid: child.pid,
    directory,
    async stop() {
      process.off('exit', kill)
      child.kill()
      await ended
      rmSync(directory, { recursive: true, force: true })
    },
  }
}
