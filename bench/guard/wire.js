// A relay to PostgreSQL that counts what a client sends: statements, round trips, bytes. Knows of the
// protocol only how messages are framed.

import { connect, createServer } from 'node:net'

/** The first message of a connection has no type. */
const HEAD = { first: 0, other: 1 }

/** @param {string} url @returns a URL that leads to the same server, and the counts, which can be set to 0 */
export async function wire(url) {
  const target = new URL(url)
  const counts = { statements: 0, roundTrips: 0, bytesSent: 0, bytesReceived: 0 }
  const server = createServer((client) => {
    const upstream = connect(Number(target.port), target.hostname)
    const count = counterOf((type) => {
      // Execute, or a query in one message; and what makes the server answer.
      if (type === 'E' || type === 'Q') counts.statements++
      if (type === 'S' || type === 'Q') counts.roundTrips++
    })
    client.setNoDelay().on('data', (data) => {
      counts.bytesSent += data.length
      count(data)
      upstream.write(data)
    })
    upstream.setNoDelay().on('data', (data) => {
      counts.bytesReceived += data.length
      client.write(data)
    })
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ])
      socket.on('error', () => {}).on('close', () => other.destroy())
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)))
  const through = new URL(url)
  through.port = String(/** @type {import('node:net').AddressInfo} */ (server.address()).port)
  return { url: through.href, counts, close: () => server.close() }
}

/**
 * @param {(type: string) => void} onMessage
 * @returns a function that takes what arrives, however it is cut
 */
function counterOf(onMessage) {
  let pending = Buffer.alloc(0)
  let head = HEAD.first
  return (data) => {
    pending = pending.length > 0 ? Buffer.concat([pending, data]) : data
    for (;;) {
      if (pending.length < head + 4) return
      const end = head + pending.readInt32BE(head)
      if (pending.length < end) return
      if (head === HEAD.other) onMessage(String.fromCharCode(pending[0]))
      head = HEAD.other
      pending = pending.subarray(end)
    }
  }
}
