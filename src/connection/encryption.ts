// Encrypts a connection before PostgreSQL's protocol starts. Promises that only the request to encrypt is
// sent before the server's certificate was checked as `ssl` asks, and that no unencrypted byte is taken for
// an encrypted answer. Must not know what is sent afterwards.

import type { Socket } from 'node:net'
import { isIP } from 'node:net'
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls'
import { ConnectionError } from '../errors.ts'

// PostgreSQL's SSLRequest message.
const SSL_REQUEST = Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f])

/** What postgres.js takes for `ssl`, or what node:tls takes. */
export type Ssl = boolean | string | ConnectionOptions

/** Asks whether the server encrypts. @throws ConnectionError if it does not, unless `ssl` is `prefer` */
export async function agrees(socket: Socket, ssl: Ssl): Promise<boolean> {
  socket.write(SSL_REQUEST)
  const reply = await once(socket, 'data')
  // The reply is one byte. More bytes are an attack: somebody in between injects them, to be read as if they
  // had come encrypted.
  const byte = reply?.length === 1 ? String(reply) : ''
  if (byte === 'S') return true
  if (byte === 'N' && ssl === 'prefer') return false
  if (byte === 'N') {
    const message = 'The server does not offer TLS, which the connection settings ask for (`ssl`, `sslmode`)'
    throw new ConnectionError('STORE_TLS', message)
  }
  throw new ConnectionError('STORE_PROTOCOL', 'The server says what the store does not understand')
}

/** @param direct starts TLS without an SSLRequest, as PostgreSQL 17 allows */
export function encrypted(socket: Socket, host: string, ssl: Ssl, direct: boolean): TLSSocket {
  const unverified = ssl === 'require' || ssl === 'allow' || ssl === 'prefer'
  return connect({
    socket,
    // The certificate must be for this host. A name is also sent to the server, which may have several
    // certificates; an IP address cannot be.
    host,
    ...(!isIP(host) && { servername: host }),
    ...(direct && { ALPNProtocols: ['postgresql'] }),
    ...(unverified && { rejectUnauthorized: false }),
    ...(typeof ssl === 'object' && ssl),
  })
}

/** Resolves when the handshake has ended and the server's certificate was accepted. */
export async function secured(socket: TLSSocket): Promise<void> {
  try {
    await once(socket, 'secureConnect')
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    throw new ConnectionError(code ?? 'STORE_TLS', `TLS with the server failed: ${message}`)
  }
}

/** Resolves with the event's argument. @throws the socket's error, or CONNECTION_CLOSED if it closes first */
export function once(socket: Socket, event: string): Promise<Buffer | undefined> {
  return new Promise((resolve, reject) => {
    socket
      .once(event, resolve)
      .once('error', reject)
      .once('close', () =>
        reject(new ConnectionError('CONNECTION_CLOSED', 'The connection was closed before it was ready')),
      )
  })
}
