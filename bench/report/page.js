// results.md: what was measured and how, the cost of a request, the targets, the charts, and smaller tables.

import { existsSync, readFileSync } from 'node:fs'
import os from 'node:os'
import { versionOf } from '../subjects/roster.js'
import * as prose from './prose.js'
import * as tables from './tables.js'
import { multiples, others } from './targets.js'

/** What stands between a figure and its target: written by hand. */
const BOUNDS = new URL('../bounds.md', import.meta.url)

/** @param drawn the charts @returns {string} Markdown */
export function page(results, drawn) {
  const lines = [
    '# Results',
    '',
    ...setting(results),
    '',
    '## What a request costs the database',
    '',
    prose.COST,
    '',
    ...tables.costTable(results),
    '',
    '## Targets',
    '',
    prose.TARGETS,
    '',
    ...multiples(results),
    '',
    ...others(results),
    ...(existsSync(BOUNDS) ? ['', readFileSync(BOUNDS, 'utf8').trim()] : []),
    '',
    '## Charts',
    '',
    prose.CHARTS,
    '',
    ...drawn.flatMap(picture),
    '## The network',
    '',
    prose.NETWORK,
    '',
    ...tables.pingTable(results),
    '',
    prose.RELAY,
    '',
    ...tables.relayTable(results),
    '',
    prose.ARRIVALS,
    ...tables.arrivalTable(results),
    '',
    prose.POOLS,
    '',
    ...tables.poolTable(results),
    '',
    '## Whole requests',
    '',
    prose.HTTP,
    '',
    ...tables.httpTable(results),
    '',
    '## Many processes, many rows',
    '',
    prose.PROCESSES,
    '',
    ...tables.processTable(results),
    '',
    prose.ROWS,
    '',
    ...tables.rowTable(results),
    '',
    '## The sessions of a user',
    '',
    prose.BY_USER,
    '',
    ...tables.byUserTable(results),
    '',
    '## Pruning while others read',
    '',
    ...tables.pruneTable(results),
    '',
    '## How much the server can do',
    '',
    prose.LIMIT,
    '',
    ...tables.limitTable(results),
    '',
    '## Start of a process',
    '',
    ...tables.startTable(results),
    '',
    '## Memory',
    '',
    prose.MEMORY,
    '',
    ...tables.soakTable(results),
  ]
  return `${lines.join('\n')}\n`
}

const PACKAGES = [
  ...['postgres', 'connect-pg-simple', 'pg', 'connect-session-knex', 'knex', 'connect-redis'],
  ...['express', 'express-session', 'autocannon'],
]

function setting(results) {
  const cores = os.cpus()
  const all = {
    Node: process.version,
    ...Object.values(results).at(-1)?.versions,
    ...Object.fromEntries(PACKAGES.map((name) => [name, versionOf(name)])),
  }
  return [
    ...runs(results),
    '',
    `On ${cores.length} cores of ${cores[0]?.model ?? os.arch()} for all: clients, servers, relay and load.`,
    '',
    `${Object.entries(all)
      .map(([name, version]) => `${name} ${version}`)
      .join(', ')}.`,
    '',
    prose.HOW,
  ]
}

/** One line if all parts are of one run. */
function runs(results) {
  const of = ({ commit, isDirty, date, length }) => {
    const kind = { full: '', quick: ' -- --quick', smoke: ' -- --smoke' }[length]
    const changes = isDirty ? ', with changes that were not committed' : ''
    const warning =
      length === 'smoke' ? '. **These figures mean nothing: they only show that the benchmark works**' : ''
    return `\`npm run bench${kind}\` on ${date}, commit \`${commit.slice(0, 12)}\`${changes}${warning}`
  }
  const all = Object.entries(results).map(([part, result]) => ({ part, run: of(result) }))
  const different = [...new Set(all.map(({ run }) => run))]
  if (different.length === 1) return [`Made by ${different[0]}.`]
  const partsOf = (run) => all.filter((each) => each.run === run).map(({ part }) => part)
  return ['Made by:', '', ...different.map((run) => `- ${run}: ${partsOf(run).join(', ')}`)]
}

function picture({ name, alt }) {
  return [
    '<picture>',
    `<source media="(prefers-color-scheme: dark)" srcset="charts/${name}-dark.svg">`,
    `<img alt="${alt}" src="charts/${name}-light.svg">`,
    '</picture>',
    '',
  ]
}
