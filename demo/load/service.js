// The service on one store, in a thread of its own, so that the stores do not share the time of one.

import { parentPort, workerData } from 'node:worker_threads'
import { listen } from '../listen.js'
import { service } from '../service.js'
import { openStore } from '../stores.js'

parentPort.once('message', () => process.exit())

const COUNTERS_MS = 500
const { kind, where } = workerData
const { store, counters } = openStore(kind, where)
const app = service({ store })
// An error is told to the client, and not to the terminal.
app.set('env', 'test')
const server = await listen(app, 0)
parentPort.postMessage({ url: server.url })
// What the page shows; a thread has no other way to tell.
setInterval(() => parentPort.postMessage({ counters: counters() }), COUNTERS_MS)
