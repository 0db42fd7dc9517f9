// `npm run demo`: starts the demo, prints its one URL, and takes everything away again on Ctrl-C. Must not
// know what is shown. `--port` and DATABASE_URL say where, else it is port 3000 and a PostgreSQL of its own.

import { parseArgs } from 'node:util'
import { demoApp } from './app.js'
import { openDatabase } from './database.js'
import { listen } from './listen.js'
import { openStage } from './stage.js'

// How to undo what has been done, in this order from its end. Known before anything is done, as Ctrl-C can
// come at once.
let opening
const undo = [async () => (await opening)?.close()]
let stopping

function stop(code) {
  stopping ??= (async () => {
    // Ctrl-C reaches the PostgreSQL of the demo as well, so that a step may find no server any more.
    for (const step of undo.reverse()) await step().catch(() => {})
    process.exit(code)
  })()
}
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => stop(0))

const port = portOf(process.argv.slice(2))
try {
  opening = openDatabase()
  const database = await opening
  const stage = await openStage(database)
  undo.push(() => stage.close())
  const server = await listen(demoApp(stage), port)
  undo.push(() => server.close())
  stage.isAt(server.url)
  console.log(`\nThe demo is at ${server.url}\nCtrl-C stops it, and leaves nothing behind.`)
} catch (error) {
  if (!stopping) console.error(error)
  stop(1)
}

/** @returns {number} */
function portOf(args) {
  try {
    const { values } = parseArgs({ args, options: { port: { type: 'string', default: '3000' } } })
    const port = Number(values.port)
    if (/^\d+$/.test(values.port) && port <= 65_535) return port
    throw new RangeError('`--port` must be from 0 to 65535')
  } catch (error) {
    console.error(error.message)
    process.exit(1)
  }
}
