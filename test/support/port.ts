// A port that a test gives a behaviour of its own, to stand between the store and the server. Knows nothing
// of either.

import { createServer, type Server, type Socket } from 'node:net'

export interface Port {
  readonly number: number
  close(): Promise<void>
}

/** A port that does what the test says with each connection. */
export async function port(on: (socket: Socket) => void): Promise<Port> {
  const sockets = new Set<Socket>()
  const server: Server = createServer((socket) => {
    sockets.add(socket.on('error', () => {}))
    on(socket)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    number: (server.address() as { port: number }).port,
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy()
        server.close(() => resolve())
      }),
  }
}
