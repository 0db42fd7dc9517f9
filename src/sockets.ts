// The sockets that the driver is given: how they open, what of the server's messages they let through, how they end.
// Must not know what is said on them.

import { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { soon } from './clock.ts'
import { WayError } from './errors.ts'

// The types of message that answer what the store sends. Of the others some make the driver throw at the process.
const EXPECTED = new Set(Buffer.from('123ACDEIKNRSTZntv'))
const AUTHENTICATION = 'R'.charCodeAt(0)
const ROW_DESCRIPTION = 'T'.charCodeAt(0)
// Of those whose end is waited for.
const LONGEST = 100_000
const NOTHING = Buffer.alloc(0)

/**
 * Makes the socket end when the server talks nonsense. The driver trusts what it gets: a row description
 * whose names do not end hangs the process in a loop, and an authentication it cannot read ends the process
 * by an unhandled rejection.
 */
export function checked(socket: Socket): Socket {
  const messages = new Messages()
  const push = socket.push.bind(socket)
  socket.push = (chunk, encoding) => {
    if (!Buffer.isBuffer(chunk) || messages.makeSense(chunk)) return push(chunk, encoding)
    socket.destroy(new WayError('STORE_PROTOCOL', 'The server says what the driver does not understand'))
    return false
  }
  return socket
}

class Messages {
  /** The beginning of a message whose end is needed. */
  #begun: Buffer = NOTHING
  /** Bytes of a message that are still to come and need not be looked at. */
  #toCome = 0

  makeSense(chunk: Buffer): boolean {
    const data = this.#begun.length > 0 ? Buffer.concat([this.#begun, chunk]) : chunk
    let at = this.#toCome
    while (at + 5 <= data.length) {
      const type = data[at] as number
      const end = at + 1 + data.readUInt32BE(at + 1)
      if (!EXPECTED.has(type) || end < at + 5) return false
      if (type === ROW_DESCRIPTION || type === AUTHENTICATION) {
        if (end - at > LONGEST) return false
        if (end > data.length) break
        const isSound = type === ROW_DESCRIPTION ? describesRows : authenticates
        if (!isSound(data.subarray(at + 5, end))) return false
      }
      at = end
    }
    this.#begun = at < data.length ? data.subarray(at) : NOTHING
    this.#toCome = Math.max(0, at - data.length)
    return true
  }
}

// ok, password, MD5, and the three steps of SCRAM
const AUTHENTICATIONS = [0, 3, 5, 10, 11, 12]

/** One that the driver knows; of SCRAM's second step also what it computes with. */
function authenticates(body: Buffer): boolean {
  const step = body.length < 4 ? -1 : body.readUInt32BE(0)
  if (step === 11) return /^r=.+,s=.+,i=\d{1,7}$/.test(body.toString('latin1', 4))
  return AUTHENTICATIONS.includes(step)
}

/** Names, each with its end and 18 bytes about it, as many as it says. */
function describesRows(body: Buffer): boolean {
  let at = 2
  for (let left = body.length < 2 ? -1 : body.readUInt16BE(0); left > 0; left--) {
    const end = body.indexOf(0, at)
    if (end === -1) return false
    at = end + 19
  }
  return at === body.length
}

// The TCP socket beneath each encrypted one.
const beneath = new WeakMap<Socket, Socket>()

export function layer(above: TLSSocket, below: Socket): TLSSocket {
  beneath.set(above, below)
  return above
}

/**
 * Resets it: what was written and is not sent yet must not arrive later, after the caller was told that it
 * failed. An encrypted socket is destroyed itself, not the one beneath: it would still accept writes, and
 * fail after the driver has stopped listening.
 * @param error given to the driver
 */
export function hangUp(socket: Socket, error: Error): void {
  const tcp = beneath.get(socket) ?? socket
  // `resetAndDestroy` would first wait until everything is sent. Only a connected TCP socket can be reset,
  // not one that an app has encrypted itself.
  if (tcp.remoteAddress && !(tcp instanceof TLSSocket)) Object.assign(tcp, { resetAndClosing: true })
  socket.destroy(error)
}

/** A socket whose error the driver hears as that of any other. */
export function dead(error: unknown): Socket {
  const socket = new Socket()
  // Later, when the driver listens to it.
  soon(() => socket.destroy(error instanceof Error ? error : new Error('The socket could not be had')))
  return socket
}
