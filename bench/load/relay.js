// A network in a process of its own: what is sent arrives so many milliseconds later, in either direction,
// and nothing is lost or overtaken. Knows nothing of what is said.

import { connect, createServer } from 'node:net'
import { createHistogram } from 'node:perf_hooks'
import { answer } from './answer.js'
import { clock, waker } from './wake.js'

/** @type {{ targets: { host: string, port: number }[], delayMs: number }} */
const { targets, delayMs } = JSON.parse(process.argv[2])

// A thread that is woken comes about this late, so it is woken as much earlier. Seen on Linux, whose timers
// have a slack of 0.05 ms, with Node 20.
const LEAD_MS = 0.12

/** What is under way. The delay is the same for all: what came first leaves first. */
let packets = []
let first = 0
let isAwaited = false
let lateness = createHistogram()
const wakeAt = await waker(proceed)
const sockets = new Set()

const servers = targets.map((target) =>
  createServer({ allowHalfOpen: true }, (socket) => {
    const other = connect({ ...target, allowHalfOpen: true })
    link(socket, other)
    link(other, socket)
  }),
)

function link(from, to) {
  sockets.add(from)
  from.setNoDelay()
  from.on('data', (data) => send(to, data))
  from.on('end', () => send(to, undefined))
  from.on('error', () => to.destroy())
  from.on('close', () => sockets.delete(from))
}

/** @param data undefined for the end of the connection */
function send(to, data) {
  if (delayMs === 0) return pass(to, data)
  packets.push({ to, data, due: clock() + delayMs })
  deliver()
}

function deliver() {
  let now = clock()
  for (; first < packets.length && packets[first].due <= now; first++) {
    const { to, data, due } = packets[first]
    lateness.record(Math.max(1, Math.round((now - due) * 1e6)))
    pass(to, data)
    now = clock()
  }
  if (first > 1000) {
    packets = packets.slice(first)
    first = 0
  }
  if (isAwaited || first === packets.length) return
  isAwaited = true
  const { due } = packets[first]
  if (due - now > LEAD_MS) wakeAt(due - LEAD_MS)
  else setImmediate(proceed)
}

function proceed() {
  isAwaited = false
  deliver()
}

function pass(to, data) {
  if (to.destroyed) return
  if (data) to.write(data)
  else to.end()
}

answer({
  /** The ports that lead to the targets. */
  listen: () => Promise.all(servers.map(listen)),

  /** By how many milliseconds packets left too late, since it was asked last. */
  async late() {
    const told = { p50: lateness.percentile(50) / 1e6, p99: lateness.percentile(99) / 1e6 }
    lateness = createHistogram()
    return told
  },

  async close() {
    for (const server of servers) server.close()
    for (const socket of sockets) socket.destroy()
  },
})

function listen(server) {
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server.address().port)))
}
