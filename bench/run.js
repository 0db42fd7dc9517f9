// `npm run bench`: measures the store beside its rivals and writes results.md, the charts,
// results.csv and runs.csv.
//   --quick         a small part of the matrix, in less than ten minutes
//   --smoke         only shows that everything works, in two minutes
//   --part relay    one part, or several; the others stay as they were measured last
//   --huge          also a table of ten million rows
//   --report        measures nothing, and writes the page again
//   --dirty         also where the files are not those of a commit: the page says so

import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import { parseArgs } from 'node:util'
import { byUser } from './parts/by-user.js'
import { cost } from './parts/cost.js'
import { http } from './parts/http.js'
import { limit } from './parts/limit.js'
import { open } from './parts/open.js'
import { bestPools, pools } from './parts/pools.js'
import { processes } from './parts/processes.js'
import { prune } from './parts/prune.js'
import { relay } from './parts/relay.js'
import { rows } from './parts/rows.js'
import { soak } from './parts/soak.js'
import { startUp } from './parts/start.js'
import { store } from './parts/store.js'
import { plans } from './plan.js'
import { csv, resultsOf } from './report/csv.js'
import { report } from './report/report.js'
import { startServers } from './servers/servers.js'
import { versionsHere } from './subjects/roster.js'
import { tree } from './tree.js'

const parts = {
  ...{ pools, cost, store, relay, open, http, processes, rows, 'by-user': byUser, prune, limit },
  ...{ start: startUp, soak },
}
const flag = /** @type {const} */ ({ type: 'boolean', default: false })
const { values } = parseArgs({
  options: {
    quick: flag,
    smoke: flag,
    huge: flag,
    report: flag,
    dirty: flag,
    part: { type: 'string', multiple: true },
  },
})
const unknown = values.part?.find((name) => !Object.hasOwn(parts, name))
if (unknown) throw new TypeError(`no part is called ${unknown}: there are ${Object.keys(parts).join(', ')}`)
const { commit, changes } = tree()
console.log(`commit ${commit}`)
if (changes && !values.report) {
  console.log(`with changes:\n${changes}`)
  if (!values.dirty)
    throw new Error('Commit the changes first, so that it can be said what was measured, or pass --dirty.')
}

const length = values.smoke ? 'smoke' : values.quick ? 'quick' : 'full'
const log = (text) => console.log(`${new Date().toISOString().slice(11, 19)}  ${text}`)
const files = {
  results: new URL('results.csv', import.meta.url),
  runs: new URL('runs.csv', import.meta.url),
}
// If one is there, both have to be.
const results = Object.values(files).some((file) => existsSync(file))
  ? resultsOf({ results: readFileSync(files.results, 'utf8'), runs: readFileSync(files.runs, 'utf8') })
  : {}
const names = values.report ? [] : (values.part ?? Object.keys(parts))
// Nearly all others need to know the best size of the pool.
if (names.length > 0 && !results.pools && !names.includes('pools')) names.unshift('pools')
for (const name of names) {
  const servers = await startServers()
  try {
    const best = results.pools ? bestPools(results.pools.measured) : {}
    const measured = await parts[name](servers, { plan: plans[length], pools: best, huge: values.huge, log })
    results[name] = { measured, ...ofRun(), versions: { ...servers.versions, ...versionsHere() } }
    // A part that fails must not cost those before it.
    const texts = csv(results)
    writeFileSync(files.results, texts.results)
    writeFileSync(files.runs, texts.runs)
  } finally {
    await servers.stop()
  }
}
await report(results)

function ofRun() {
  const date = new Date().toISOString().slice(0, 10)
  const cores = os.cpus()
  const machine = { cores: cores.length, cpu: cores[0]?.model ?? os.arch() }
  return { date, commit, isDirty: changes !== '', length, isHuge: values.huge, ...machine }
}
