// The sockets that the driver gets. Promises that they pass on no message that breaks the driver, and that
// one that was given up sends nothing any more. Must not know what the messages mean.

import { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { isNativeError } from 'node:util/types'
import { areTimersReal, soon, sparingFakeImmediates, withRealTimers } from '../clock.ts'
import { ConnectionError } from '../errors.ts'

// The types of all messages that the server can send to the store. Some others make the driver (3.4.9) throw
// an uncaught exception.
const EXPECTED = new Set(Buffer.from('123ACDEIKNRSTZntv'))
const AUTHENTICATION = 'R'.charCodeAt(0)
const ROW_DESCRIPTION = 'T'.charCodeAt(0)
/** Length in bytes of the largest message that is buffered whole for checking. */
const MAX_BUFFERED = 100_000
const EMPTY = Buffer.alloc(0)

/**
 * Ends the socket when the server sends a malformed message. The driver (3.4.9) does not check: a row
 * description whose column names have no end keeps the process in an endless loop, and an authentication
 * request that it cannot read ends the process by an unhandled rejection.
 */
export function checked(socket: Socket): Socket {
  const messages = new Messages()
  const push = socket.push.bind(socket)
  socket.push = (chunk, encoding) => {
    if (!Buffer.isBuffer(chunk) || messages.areSound(chunk)) return push(chunk, encoding)
    socket.destroy(
      new ConnectionError('STORE_PROTOCOL', 'The server says what the driver does not understand'),
    )
    return false
  }
  return withRealTimersInListeners(socket)
}

/**
 * The driver (3.4.9) works in the listeners of its socket, with the global timers, which a test may have
 * replaced.
 */
function withRealTimersInListeners(socket: Socket): Socket {
  const emit = socket.emit as (...args: unknown[]) => boolean
  socket.emit = function (this: Socket, ...args: unknown[]) {
    if (args[0] === 'close') return withRealTimers(() => sparingFakeImmediates(() => emit.apply(this, args)))
    return areTimersReal() ? emit.apply(this, args) : withRealTimers(() => emit.apply(this, args))
  }
  return socket
}

/**
 * Splits the bytes from the server into messages, and checks each: one byte of type, four of length, a body.
 */
class Messages {
  /** The start of a message that cannot be checked before its rest has come. */
  #partial: Buffer = EMPTY
  /** How many of the next bytes belong to a message that needs no further check. */
  #toSkip = 0

  areSound(chunk: Buffer): boolean {
    const data = this.#partial.length > 0 ? Buffer.concat([this.#partial, chunk]) : chunk
    let at = this.#toSkip
    while (at + 5 <= data.length) {
      const type = data[at] as number
      const end = at + 1 + data.readUInt32BE(at + 1)
      if (!EXPECTED.has(type) || end < at + 5) return false
      if (type === ROW_DESCRIPTION || type === AUTHENTICATION) {
        if (end - at > MAX_BUFFERED) return false
        if (end > data.length) break
        const isBodySound = type === ROW_DESCRIPTION ? isRowDescription : isAuthentication
        if (!isBodySound(data.subarray(at + 5, end))) return false
      }
      at = end
    }
    this.#partial = at < data.length ? data.subarray(at) : EMPTY
    this.#toSkip = Math.max(0, at - data.length)
    return true
  }
}

// Success, password, MD5, and the three steps of SCRAM.
const AUTHENTICATIONS = [0, 3, 5, 10, 11, 12]

/**
 * Whether the driver knows this request. For SCRAM's second step also whether its values have the right form.
 */
function isAuthentication(body: Buffer): boolean {
  const step = body.length < 4 ? -1 : body.readUInt32BE(0)
  if (step === 11) return /^r=.+,s=.+,i=\d{1,7}$/.test(body.toString('latin1', 4))
  return AUTHENTICATIONS.includes(step)
}

/** Whether it has as many columns as it says: for each a name, a zero byte, and 18 bytes about it. */
function isRowDescription(body: Buffer): boolean {
  let at = 2
  for (let left = body.length < 2 ? -1 : body.readUInt16BE(0); left > 0; left--) {
    const end = body.indexOf(0, at)
    if (end === -1) return false
    at = end + 19
  }
  return at === body.length
}

/** The TCP socket below each encrypted one. */
const tcpSockets = new WeakMap<Socket, Socket>()

export function layer(encrypted: TLSSocket, tcp: Socket): TLSSocket {
  tcpSockets.set(encrypted, tcp)
  return encrypted
}

/**
 * Resets the connection. Bytes that were written but not sent yet must not arrive after the caller was told
 * that the statement failed. An encrypted socket is destroyed itself, not only the TCP socket below: it would
 * still accept writes, and would emit their error after the driver has removed its listeners.
 * @param error what the driver's listeners get
 */
export function hangUp(socket: Socket, error: Error): void {
  const tcp = tcpSockets.get(socket) ?? socket
  // Node's `resetAndDestroy` would first wait until everything is sent, so its internal flag is set instead
  // (seen on Node 20.20). Only a connected TCP socket can be reset, not one that an app has encrypted itself.
  if (tcp.remoteAddress && !(tcp instanceof TLSSocket)) Object.assign(tcp, { resetAndClosing: true })
  socket.destroy(error)
}

/** An error stays itself, also one that was made in another realm, as under Jest. */
export function asError(reason: unknown): Error {
  return isNativeError(reason) ? reason : new Error('The socket could not be had')
}

/** A socket that fails with this error, in place of one that could not be opened. */
export function dead(error: unknown): Socket {
  const socket = withRealTimersInListeners(new Socket())
  // Fails only after the driver has added its listeners.
  soon(() => socket.destroy(asError(error)))
  return socket
}
