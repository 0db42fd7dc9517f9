// Puts the database further away: forwards TCP connections, and holds what comes back for so many
// milliseconds. Knows nothing of what it forwards. Runs as a worker thread, so that a busy service does not
// slow it down.

import { connect, createServer } from 'node:net'
import { parentPort, workerData } from 'node:worker_threads'

parentPort.once('message', () => process.exit())

const { url, delayMs } = workerData
const target = new URL(url)

const server = createServer((client) => {
  const upstream = connect(Number(target.port || 5432), target.hostname)
  for (const socket of [client, upstream]) socket.setNoDelay(true).on('error', () => {})
  client.on('data', (data) => upstream.write(data)).on('close', () => upstream.destroy())
  // Timers of one length run in the order in which they were started.
  upstream.on('data', (data) => void setTimeout(() => client.write(data), delayMs))
  upstream.on('close', () => void setTimeout(() => client.destroy(), delayMs))
})
server.listen(0, '127.0.0.1', () => {
  const address = /** @type {import('node:net').AddressInfo} */ (server.address())
  const relayed = Object.assign(new URL(url), { hostname: '127.0.0.1', port: String(address.port) })
  parentPort.postMessage({ url: relayed.href })
})
