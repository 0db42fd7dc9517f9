// The same servers at the other end of a network: their addresses, and how well the network keeps its delay.

import { connect, createServer } from 'node:net'
import { start } from './process.js'

const PINGS = 300

/**
 * @param {Record<string, string>} at URLs of servers
 * @param {number} delayMs each way
 */
export async function network(at, delayMs) {
  const echo = await echoServer()
  const names = Object.keys(at)
  const targets = names.map((name) => {
    const { hostname: host, port } = new URL(at[name])
    return { host, port: Number(port) }
  })
  targets.push({ host: '127.0.0.1', port: echo.port })
  const relay = await start('load/relay.js', { targets, delayMs })
  const through = await relay('listen')
  const moved = names.map((name, i) => {
    const url = new URL(at[name])
    url.hostname = '127.0.0.1'
    url.port = String(through[i])
    return [name, url.href]
  })
  return {
    at: Object.fromEntries(moved),
    /** Milliseconds to the other end and back, while nothing else happens. */
    ping: () => ping(through.at(-1)),
    late: () => relay('late'),
    async stop() {
      await relay('close')
      echo.close()
    },
  }
}

async function ping(port) {
  const socket = connect(port, '127.0.0.1').setNoDelay()
  await new Promise((resolve) => socket.once('connect', resolve))
  const times = []
  for (let i = 0; i < PINGS; i++) {
    const began = performance.now()
    socket.write('.')
    await new Promise((resolve) => socket.once('data', resolve))
    times.push(performance.now() - began)
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 3))
  }
  socket.destroy()
  times.sort((a, b) => a - b)
  const at = (share) => times[Math.floor(PINGS * share)]
  return { p1: at(0.01), p50: at(0.5), p99: at(0.99) }
}

async function echoServer() {
  const server = createServer((socket) => {
    socket.setNoDelay()
    socket.on('error', () => {})
    socket.pipe(socket)
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)))
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address())
  return { port, close: () => server.close() }
}
