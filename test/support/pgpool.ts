// Pgpool-II in front of a primary and its standbys, where the program is at hand. Knows nothing of the store.

import { freePort } from '../../server/postgres.js'
import { folder, missing, output, startProgram } from './program.ts'

/** Why there is none, if there is none. */
export const noPgpool = () => missing('pgpool')

export const pgpoolVersion = () => /\d\S*/.exec(output('sh', '-c', 'pgpool --version 2>&1'))?.[0]

/**
 * @param servers the primary first
 * @param settings further lines of its configuration
 */
export async function startPgpool(
  servers: string[],
  settings = '',
): Promise<{ url: string; stop(): Promise<void> }> {
  const to = new URL(servers[0]!)
  const [port, controlPort] = [await freePort(), await freePort()]
  const files = folder()
  const backends = servers.map((server, number) => {
    const { hostname, port } = new URL(server)
    return `backend_hostname${number} = '${hostname}'
backend_port${number} = ${port}
backend_weight${number} = 1
backend_flag${number} = 'DISALLOW_TO_FAILOVER'`
  })
  const file = files.write(
    'pgpool.conf',
    `backend_clustering_mode = 'streaming_replication'
listen_addresses = '127.0.0.1'
port = ${port}
pcp_listen_addresses = '127.0.0.1'
pcp_port = ${controlPort}
unix_socket_directories = '${files.path}'
pcp_socket_dir = '${files.path}'
wd_ipc_socket_dir = '${files.path}'
pid_file_name = '${files.path}/pgpool.pid'
logdir = '${files.path}'
num_init_children = 16
sr_check_user = '${to.username}'
sr_check_password = '${to.password}'
sr_check_database = 'postgres'
allow_clear_text_frontend_auth = on
load_balance_mode = on
${backends.join('\n')}
${settings}
`,
  )
  const [control, access] = [files.write('pcp.conf', ''), files.write('pool_hba.conf', '')]
  const program = await startProgram('pgpool', ['-n', '-f', file, '-F', control, '-a', access], port)
  to.port = String(port)
  return {
    url: to.href,
    async stop() {
      await program.stop('SIGINT')
      files.remove()
    },
  }
}
