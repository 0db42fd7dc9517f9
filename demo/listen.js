// Listens on this machine only, at the port or, where it is taken, at the next one that is free. Knows
// nothing of the app.

import { createServer } from 'node:http'

/**
 * @param {import('node:http').RequestListener} app
 * @param {number} port 0: any that is free
 * @returns {Promise<{ url: string, close: () => Promise<void> }>}
 */
export async function listen(app, port) {
  const server = createServer(app)
  for (let next = port; !server.listening; next++) {
    await tryPort(server, next).catch((error) => {
      if (error.code !== 'EADDRINUSE' || next === 65_535) throw error
    })
  }
  const address = /** @type {import('node:net').AddressInfo} */ (server.address())
  return {
    url: `http://127.0.0.1:${address.port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

function tryPort(server, port) {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', () => {
      server.off('error', reject)
      resolve(undefined)
    })
  })
}
