// Encrypts a connection before PostgreSQL's protocol begins. Promises that an unverified server gets nothing,
// and that nothing sent in the clear is taken for an answer. Must not know what is sent afterwards.

import type { Socket } from 'node:net'
import { isIP } from 'node:net'
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls'
import { WayError } from './errors.ts'

const REQUEST = Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f])

/** What postgres.js takes for `ssl`, or what node:tls takes. */
export type Ssl = boolean | string | ConnectionOptions

/** Asks whether the server encrypts. @throws WayError if it does not, unless `ssl` leaves the choice to it */
export async function agrees(socket: Socket, ssl: Ssl): Promise<boolean> {
  socket.write(REQUEST)
  const answer = await once(socket, 'data')
  // More than one byte is an attack: somebody in between wants it to pass for the start of the encrypted
  // answer.
  const word = answer?.length === 1 ? String(answer) : ''
  if (word === 'S') return true
  if (word === 'N' && ssl === 'prefer') return false
  if (word === 'N') {
    const what = 'The server does not offer TLS, which the connection settings ask for (`ssl`, `sslmode`)'
    throw new WayError('STORE_TLS', what)
  }
  throw new WayError('STORE_PROTOCOL', 'The server says what the store does not understand')
}

/** @param direct begins without being asked for, as PostgreSQL 17 allows */
export function encrypted(socket: Socket, host: string, ssl: Ssl, direct: boolean): TLSSocket {
  const unverified = ssl === 'require' || ssl === 'allow' || ssl === 'prefer'
  return connect({
    socket,
    // The certificate must be for this host. A name is also sent, for servers that have several certificates.
    host,
    ...(!isIP(host) && { servername: host }),
    ...(direct && { ALPNProtocols: ['postgresql'] }),
    ...(unverified && { rejectUnauthorized: false }),
    ...(typeof ssl === 'object' && ssl),
  })
}

/** Resolves when the handshake is over and the server's certificate has been accepted. */
export async function secured(socket: TLSSocket): Promise<void> {
  try {
    await once(socket, 'secureConnect')
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    throw new WayError(code ?? 'STORE_TLS', `TLS with the server failed: ${message}`)
  }
}

/** Resolves with what the event gives. @throws the socket's error, or one that says that it was closed */
export function once(socket: Socket, event: string): Promise<Buffer | undefined> {
  return new Promise((resolve, reject) => {
    socket
      .once(event, resolve)
      .once('error', reject)
      .once('close', () =>
        reject(new WayError('CONNECTION_CLOSED', 'The connection was closed before it was ready')),
      )
  })
}
