// TLS as a server of PostgreSQL begins it: after an answer in the clear. Knows nothing of what is then said.

import type { Socket } from 'node:net'
import { createSecureContext, TLSSocket } from 'node:tls'
import type { Certificate } from '../support/certificate.ts'

/**
 * @param greeting what the wish for encryption is answered by: S, or something else and then there is none
 */
export function encryption(certificate: Certificate, greeting: () => Uint8Array) {
  const secureContext = createSecureContext(certificate)
  return (socket: Socket, serve: (secure: Socket) => void): void => {
    socket.once('data', () => {
      const answer = greeting()
      socket.write(answer)
      // As the real one does with what it cannot read.
      if (answer[0] !== 'S'.charCodeAt(0)) return void socket.once('data', () => socket.destroy())
      serve(new TLSSocket(socket, { isServer: true, secureContext }).on('error', () => {}))
    })
  }
}
