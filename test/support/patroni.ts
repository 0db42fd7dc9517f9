// Two servers that Patroni keeps: one primary with a synchronous standby, etcd for who it is, haproxy as the
// one address that leads there. As its documentation has it. Knows nothing of the store.

import { dirname } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { freePort } from '../../server/postgres.js'
import { folder, missing, output, type Program, pathOf, startProgram } from './program.ts'

/** Why there is none, if there is none. */
export const noPatroni = () => missing('patroni', 'etcd', 'haproxy', 'postgres')

export const patroniVersions = () =>
  [
    `Patroni ${/\d\S*/.exec(output('patroni', '--version'))}`,
    `HAProxy ${/\d[\d.]*/.exec(output('haproxy', '-v'))}`,
    `PostgreSQL ${/\d[\d.]*/.exec(output('postgres', '--version'))}`,
  ].join(', ')

export interface Cluster {
  /** Of haproxy, which leads to the primary. */
  readonly url: string
  /** Makes the standby the primary, in order. Ends when it is. */
  switchOver(): Promise<void>
  stop(): Promise<void>
}

interface Member {
  readonly name: string
  readonly port: number
  readonly restPort: number
}

export async function startCluster(): Promise<Cluster> {
  const files = folder()
  const programs: Program[] = []
  const stop = async () => {
    for (const program of programs.reverse()) await program.stop()
    files.remove()
  }
  try {
    const etcdPort = await freePort()
    programs.push(await startEtcd(files.path, etcdPort))
    const members: Member[] = []
    for (const name of ['one', 'two']) {
      members.push({ name, port: await freePort(), restPort: await freePort() })
    }
    for (const member of members) {
      const file = files.write(`${member.name}.yml`, settings(member, etcdPort, files.path))
      programs.push(await startProgram('patroni', [file], member.restPort))
      // The second one copies the first.
      await until(() => is(member, 'readiness'))
    }
    const port = await freePort()
    const proxy = files.write('haproxy.cfg', proxySettings(members, port))
    programs.push(await startProgram('haproxy', ['-f', proxy], port))
    await until(() => is(members[1]!, 'synchronous'))
    return {
      url: `postgres://postgres:postgres@127.0.0.1:${port}/postgres`,
      async switchOver() {
        const [leader, candidate] = (await is(members[0]!, 'primary')) ? members : members.toReversed()
        await post(leader!, 'switchover', { leader: leader!.name, candidate: candidate!.name })
        await until(() => is(candidate!, 'primary'))
        // So that it can go back.
        await until(() => is(leader!, 'synchronous'))
      },
      stop,
    }
  } catch (error) {
    const logs = programs.map((program) => program.log().slice(-3000)).join('\n')
    await stop()
    throw new Error(`The cluster did not start:\n${logs}`, { cause: error })
  }
}

async function startEtcd(path: string, port: number): Promise<Program> {
  const peer = `http://127.0.0.1:${await freePort()}`
  const client = `http://127.0.0.1:${port}`
  const args = [
    ...['--data-dir', `${path}/etcd`, '--name', 'etcd'],
    ...['--listen-client-urls', client, '--advertise-client-urls', client],
    ...[
      '--listen-peer-urls',
      peer,
      '--initial-advertise-peer-urls',
      peer,
      '--initial-cluster',
      `etcd=${peer}`,
    ],
  ]
  return startProgram('etcd', args, port)
}

/** Written as JSON, which is YAML as well. */
function settings({ name, port, restPort }: Member, etcdPort: number, path: string): string {
  const account = (username: string) => ({ username, password: 'postgres' })
  return JSON.stringify({
    scope: 'sessions',
    name,
    restapi: { listen: `127.0.0.1:${restPort}`, connect_address: `127.0.0.1:${restPort}` },
    etcd3: { host: `127.0.0.1:${etcdPort}` },
    bootstrap: {
      dcs: {
        ...{ ttl: 20, loop_wait: 2, retry_timeout: 5, synchronous_mode: true },
        postgresql: { use_pg_rewind: true, parameters: { fsync: 'off', max_connections: 100 } },
      },
      initdb: [{ encoding: 'UTF8' }, 'data-checksums', 'no-sync'],
      pg_hba: ['host all all 127.0.0.1/32 scram-sha-256', 'host replication all 127.0.0.1/32 scram-sha-256'],
    },
    postgresql: {
      ...{ listen: `127.0.0.1:${port}`, connect_address: `127.0.0.1:${port}` },
      ...{ data_dir: `${path}/${name}`, bin_dir: dirname(pathOf('postgres')!) },
      pgpass: `${path}/${name}.pgpass`,
      authentication: {
        ...{
          superuser: account('postgres'),
          replication: account('replicator'),
          rewind: account('rewinder'),
        },
      },
      parameters: { unix_socket_directories: path },
    },
  })
}

/** As Patroni's documentation has it: who answers `/primary` with 200 is the primary. */
function proxySettings(members: readonly Member[], port: number): string {
  const servers = members.map(
    ({ name, port, restPort }) => `server ${name} 127.0.0.1:${port} maxconn 100 check port ${restPort}`,
  )
  return `global
  maxconn 200
defaults
  mode tcp
  retries 2
  timeout client 30m
  timeout connect 4s
  timeout server 30m
  timeout check 5s
listen sessions
  bind 127.0.0.1:${port}
  option httpchk OPTIONS /primary
  http-check expect status 200
  default-server inter 1s fall 2 rise 1 on-marked-down shutdown-sessions
  ${servers.join('\n  ')}
`
}

/** What Patroni is asked by load balancers: 200 stands for yes. */
async function is(
  { restPort }: Member,
  what: 'primary' | 'replica' | 'synchronous' | 'readiness',
): Promise<boolean> {
  const response = await fetch(`http://127.0.0.1:${restPort}/${what}`).catch(() => undefined)
  await response?.body?.cancel()
  return response?.ok ?? false
}

async function post({ restPort }: Member, path: string, body: object): Promise<void> {
  const response = await fetch(`http://127.0.0.1:${restPort}/${path}`, {
    method: 'POST',
    body: JSON.stringify(body),
  })
  const text = await response.text()
  if (!response.ok) throw new Error(`Patroni refused to do the ${path}: ${text}`)
}

/** @throws if it is not so within a minute */
async function until(isSo: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 60_000; !(await isSo()); ) {
    if (Date.now() > end) throw new Error(`It did not come to pass that ${isSo}`)
    await pause(100)
  }
}
