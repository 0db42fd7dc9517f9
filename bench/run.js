// `npm run bench`: measures the store beside its rivals and writes results.md and the plots. `-- --quick` takes a small
// part of the matrix; `-- --only get` those operations whose name matches.

import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { httpLevel } from './http-level.js'
import { report } from './report.js'
import { startServers } from './servers.js'
import { storeLevel } from './store-level.js'

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string' },
    part: { type: 'string', multiple: true, default: ['store', 'http'] },
  },
})
const log = (text) => console.log(`${new Date().toISOString().slice(11, 19)}  ${text}`)

const servers = await startServers()
try {
  const store = values.part.includes('store') ? await storeLevel(servers, { ...values, log }) : []
  const http = values.part.includes('http') ? await httpLevel(servers, { ...values, log }) : []
  const results = { store, http, versions: servers.versions, quick: values.quick }
  // First as it is: a mistake in the report must not cost the run.
  writeFileSync(new URL('results.json', import.meta.url), JSON.stringify(results))
  await report(results)
} finally {
  await servers.stop()
}
