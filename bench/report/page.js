// results.md: what was measured and how, the cost of a request, the targets, the charts, and smaller tables.

import { existsSync, readFileSync } from 'node:fs'
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

function setting(results) {
  return [
    ...byRun(results, 'Made by', madeBy),
    '',
    ...byRun(
      results,
      'Clients, servers, relay and load shared',
      ({ cores, cpu }) => `${cores} cores of ${cpu}`,
    ),
    '',
    ...byRun(results, 'Versions:', ({ versions }) =>
      Object.entries(versions)
        .map(([name, version]) => `${name} ${version}`)
        .join(', '),
    ),
    '',
    prose.HOW,
  ]
}

function madeBy({ commit, isDirty, date, length, isHuge }) {
  const flags = [length !== 'full' && `--${length}`, isHuge && '--huge'].filter(Boolean)
  const command = ['npm run bench', ...(flags.length > 0 ? ['--', ...flags] : [])].join(' ')
  const changes = isDirty ? ', with changes that were not committed' : ''
  const warning =
    length === 'smoke' ? '. **These figures mean nothing: they only show that the benchmark works**' : ''
  return `\`${command}\` on ${date}, commit \`${commit.slice(0, 12)}\`${changes}${warning}`
}

/** One line if it is the same for all parts, or one for each of what it is. */
function byRun(results, title, textOf) {
  const all = Object.entries(results).map(([part, result]) => ({ part, text: textOf(result) }))
  const different = [...new Set(all.map(({ text }) => text))]
  if (different.length === 1) return [`${title} ${different[0]}.`]
  const partsOf = (text) => all.filter((each) => each.text === text).map(({ part }) => part)
  return [
    `${title.replace(/:$/, '')}:`,
    '',
    ...different.map((text) => `- ${text}: ${partsOf(text).join(', ')}`),
  ]
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
