// The sockets that the driver gets. Promises that they pass on no message that breaks the driver, and that
// one that was given up sends nothing any more. Must not know messages, nor what is sent.

import { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { isNativeError } from 'node:util/types'
import { soon } from '../clock.ts'
import { ConnectionError } from '../errors.ts'
import { Messages } from './messages.ts'
import { withRealTimersInListeners } from './real-timers.ts'

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
  return isNativeError(reason) ? reason : new Error('The socket could not be opened')
}

/** A socket that fails with this error, in place of one that could not be opened. */
export function dead(error: unknown): Socket {
  const socket = withRealTimersInListeners(new Socket())
  // Fails only after the driver has added its listeners.
  soon(() => socket.destroy(asError(error)))
  return socket
}
