// `npm run bench`: measures the store beside its rivals and writes results.md and the plots. `-- --quick` takes a small
// part of the matrix; `-- --only get` those operations whose name matches; `-- --part store` one part, and the others stay
// as they were measured last; `-- --huge` adds ten million rows.

import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { httpLevel } from './http-level.js'
import { limit } from './limit.js'
import { prune } from './prune.js'
import { report } from './report.js'
import { scale } from './scale.js'
import { startServers } from './servers.js'
import { soak } from './soak.js'
import { storeLevel } from './store-level.js'
import { writes } from './writes.js'

const parts = { store: storeLevel, http: httpLevel, scale, writes, prune, limit, soak }
const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string' },
    huge: { type: 'boolean', default: false },
    part: { type: 'string', multiple: true, default: Object.keys(parts) },
  },
})
const log = (text) => console.log(`${new Date().toISOString().slice(11, 19)}  ${text}`)

const file = new URL('results.json', import.meta.url)
const results = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {}
for (const part of values.part) {
  const servers = await startServers()
  try {
    const measured = await parts[part](servers, { ...values, log })
    const date = new Date().toISOString().slice(0, 10)
    results[part] = { measured, date, quick: values.quick, versions: servers.versions }
    // First as it is: a mistake in the report must not cost the run.
    writeFileSync(file, JSON.stringify(results))
  } finally {
    await servers.stop()
  }
}
await report(results)
