// Redis servers, if it is installed: one that keeps sessions in memory only, and one that has each write on
// disk before it answers, as PostgreSQL has.

import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from '../../server/postgres.js'

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
  const version = spawnSync('redis-server', ['--version'], { encoding: 'utf8' }).stdout?.match(/v=(\S+)/)?.[1]
  const servers = {}
  if (version) for (const [name, flags] of Object.entries(DURABILITY)) servers[name] = await launch(flags)
  return { version, servers }
}

async function launch(flags) {
  const port = await freePort()
  const directory = mkdtempSync(join(tmpdir(), 'connect-postgres-simple-redis-'))
  const options = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--dir', directory]
  const child = spawn('redis-server', [...options, ...flags], { stdio: ['ignore', 'pipe', 'inherit'] })
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
