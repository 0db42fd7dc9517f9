// PgBouncer in front of a server, where the program is at hand. Knows nothing of the store.

import { execFileSync, spawn } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { freePort } from '../../server/postgres.js'

export interface Pooler {
  readonly url: string
  readonly version: string
  stop(): Promise<void>
}

// Where Debian puts it is not on everybody's path.
const env = { ...process.env, PATH: [process.env['PATH'], '/usr/sbin'].join(delimiter) }

/** Why there is none, if there is none. */
export function noPooler(): string | undefined {
  try {
    execFileSync('pgbouncer', ['--version'], { env, stdio: 'ignore' })
    return undefined
  } catch {
    return 'pgbouncer is not installed here'
  }
}

/**
 * @param serverConnections few, so that the statements of one client run on all of them
 * @param mode `transaction` or `session`
 * @param certificate if it is to be spoken to by TLS only, as the server is then
 */
export async function startPooler(
  server: string,
  serverConnections: number,
  certificate?: { key: string; cert: string },
  mode: 'session' | 'transaction' | 'statement' = 'transaction',
): Promise<Pooler> {
  const to = new URL(server)
  const port = await freePort()
  const folder = mkdtempSync(join(tmpdir(), 'connect-postgres-simple-'))
  const file = join(folder, 'pgbouncer.ini')
  writeFileSync(
    file,
    `[databases]
* = host=${to.hostname} port=${to.port} user=${to.username} password=${to.password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = any
pool_mode = ${mode}
default_pool_size = ${serverConnections}
max_client_conn = 500
${certificate ? tlsOf(folder) : ''}`,
  )
  for (const [name, text] of Object.entries(certificate ?? {})) writeFileSync(join(folder, name), text)
  chmodSync(folder, 0o755)
  // It refuses to run as root.
  const user = process.getuid?.() === 0 ? ['--user', 'postgres'] : []
  const child = spawn('pgbouncer', [...user, file], { env, stdio: ['ignore', 'ignore', 'pipe'] })
  let log = ''
  child.stderr.on('data', (text) => {
    log += text
  })
  const ended = new Promise((resolve) => child.once('close', resolve))
  while (!(await accepts(port))) {
    if (child.exitCode !== null) throw new Error(`PgBouncer did not start:\n${log}`)
    await new Promise((resume) => setTimeout(resume, 20))
  }
  to.port = String(port)
  return {
    url: to.href,
    version: execFileSync('pgbouncer', ['--version'], { env, encoding: 'utf8' }).split('\n')[0] as string,
    async stop() {
      child.kill('SIGINT')
      await ended
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** On both of its sides. */
const tlsOf = (folder: string) => `client_tls_sslmode = require
client_tls_key_file = ${folder}/key
client_tls_cert_file = ${folder}/cert
server_tls_sslmode = require
`

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
      .on('connect', () => resolve(true))
      .on('error', () => resolve(false))
      .on('connect', () => socket.destroy())
  })
}
