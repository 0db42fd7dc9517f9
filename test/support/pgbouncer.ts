// PgBouncer in front of a server, where the program is at hand. Knows nothing of the store.

import { freePort } from '../../server/postgres.js'
import { folder, missing, output, startProgram } from './program.ts'

export interface Pooler {
  readonly url: string
  readonly version: string
  stop(): Promise<void>
}

/** Why there is none, if there is none. */
export const noPooler = () => missing('pgbouncer')

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
  const files = folder()
  for (const [name, text] of Object.entries(certificate ?? {})) files.write(name, text)
  const settings = files.write(
    'pgbouncer.ini',
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
${certificate ? tlsOf(files.path) : ''}`,
  )
  const program = await startProgram('pgbouncer', [settings], port)
  to.port = String(port)
  return {
    url: to.href,
    version: output('pgbouncer', '--version').split('\n')[0] as string,
    async stop() {
      await program.stop('SIGINT')
      files.remove()
    },
  }
}

/** On both of its sides. */
const tlsOf = (folder: string) => `client_tls_sslmode = require
client_tls_key_file = ${folder}/key
client_tls_cert_file = ${folder}/cert
server_tls_sslmode = require
`
