// One process of a host: serves the app apps/<name>.js once for each way of making the store that the runner
// asks for, and tells the runner its ports. Knows of an app only that it takes a store, and gives a listener
// of requests or a server.

import { createServer, Server } from 'node:http'

const [, , name, ways] = process.argv
const { default: make, host } = await import(`./apps/${name}.js`)
const { default: connectPostgresSimple } = await import('connect-postgres-simple')
const { default: session } = await import('express-session')
const Store = connectPostgresSimple(host ?? session)

const stores = []
const ports = {}
for (const [way, options] of Object.entries(JSON.parse(ways))) {
  const store = new Store(options)
  stores.push(store)
  const app = await make(store, way)
  const server = app instanceof Server ? app : createServer(app)
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  ports[way] = server.address().port
}
process.send({ ports })

process.on('disconnect', async () => {
  await Promise.all(stores.map((store) => store.close()))
  process.exit()
})
