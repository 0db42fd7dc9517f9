// What was measured, as results.md and as plots. Ratios only within what was measured together.

import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import { parse, View } from 'vega'
import { compile } from 'vega-lite'
import { number, of, ratio, spread, table } from './figures.js'
import { limitSection } from './limit.js'
import { pruneSection } from './prune.js'
import { scaleSection } from './scale.js'
import { soakSection } from './soak.js'
import { writesSection } from './writes.js'

const OURS = 'connect-postgres-simple'
const here = (name) => new URL(name, import.meta.url)

/** @type {Record<string, [title: string, section: (results: any) => string[]]>} */
const SECTIONS = {
  store: ['The stores by themselves', storeSection],
  http: ['Whole requests: Express 5, express-session, a session of 600 bytes', httpSection],
  scale: ['Many rows, many processes', scaleSection],
  writes: ['What requests leave behind', writesSection],
  prune: ['Pruning while others read', pruneSection],
  limit: ['How much the server can do', limitSection],
  soak: ['Memory', soakSection],
}

/** @param results what each part measured, and when */
export async function report(results) {
  const measured = (part) => results[part]?.measured ?? []
  const lines = ['# Results', '', ...machine(results), '', ...targets(measured('store'), measured('http'))]
  // Written by hand: what stands between a figure and its target.
  const bounds = here('bounds.md')
  if (existsSync(bounds)) lines.push('', readFileSync(bounds, 'utf8').trim())
  for (const [part, [title, section]] of Object.entries(SECTIONS)) {
    if (!results[part]) continue
    const { date, quick } = results[part]
    const how = `Measured ${date}${quick ? ', a short run' : ''}.`
    lines.push('', `## ${title}`, '', how, '', ...section(measured(part)))
  }
  writeFileSync(here('results.md'), `${lines.join('\n')}\n`)
  if (results.store) await plotStore(measured('store'))
  if (results.http) await plotHttp(measured('http'))
}

function machine(results) {
  const names = [
    ...['postgres', 'connect-pg-simple', 'pg', 'connect-session-knex', 'knex', 'connect-redis', 'redis'],
    ...['express', 'express-session', 'autocannon'],
  ]
  const versionOf = (name) =>
    JSON.parse(readFileSync(here(`node_modules/${name}/package.json`), 'utf8')).version
  const all = {
    Node: process.version,
    ...Object.values(results).at(-1).versions,
    ...Object.fromEntries(names.map((name) => [name, versionOf(name)])),
  }
  return [
    `${os.cpus().length} cores of ${os.cpus()[0]?.model ?? os.arch()} for all of it: clients, servers and load generator. ` +
      'Made by `npm run bench`.',
    '',
    `${Object.entries(all)
      .map(([name, version]) => `${name} ${version}`)
      .join(', ')}.`,
    '',
    'PostgreSQL has its default durability and 1 GB of shared buffers, Redis no durability. Each subject has a process of its own; they take turns, in an order ' +
      'that rotates, and warm up before each turn. Every figure is the median of the rounds, with the lowest and the ' +
      'highest. Every answer was checked.',
  ]
}

/** Each row: what, the wanted multiple of each rival, and the measured one. */
function targets(store, http) {
  const at = (rows, field, wanted) => (name) => {
    const row = rows.find(
      (each) => each.name === name && Object.entries(wanted).every(([key, value]) => each[key] === value),
    )
    return row && of(row, field)
  }
  const operation = (name, concurrency, bytes = 300) => ({ operation: name, concurrency, bytes })
  const rate = (...wanted) => at(store, 'rate', operation(...wanted))
  const requests = (connections) => at(http, 'rate', { route: '/read', connections })
  const rows = [
    ['get, 256 at once', rate('get', 256), 12, 2],
    ['get+touch, 256 at once', rate('get+touch', 256), 10, 1.5],
    ['set of a loaded session, 256 at once', rate('set loaded', 256), 8, 1],
    ['set of a new session, 256 at once', rate('set new', 256), 8, 1],
    ['get+touch, 32 at once', rate('get+touch', 32), 5, 1],
    ...['get', 'touch', 'get+touch', 'set loaded', 'set new', 'destroy'].map((name) => [
      `${name}, 1 at once`,
      rate(name, 1),
      1,
    ]),
    ...['get', 'set loaded'].map((name) => [`${name}, 256 at once, 64 KB`, rate(name, 256, 64_000), 1]),
    ['HTTP read route, 32 connections', requests(32), 2.5, 1, 0.8],
    ['HTTP read route, 256 connections', requests(256), 2.5, 1, 0.95],
  ]
  const rivals = ['connect-pg-simple', 'connect-redis', 'MemoryStore']
  const p99 = ['get', 'touch', 'get+touch', 'set loaded', 'set new', 'destroy'].map((name) => {
    const measure = at(store, 'p99', operation(name, 256))
    return `${name} ${ratio(measure(OURS), measure('connect-pg-simple'), 2)}`
  })
  return [
    'Throughput of this store as a multiple of that of each rival, and the target.',
    '',
    ...table(
      ['', ...rivals],
      rows.map((/** @type {any[]} */ [what, measure, ...wanted]) => [
        what,
        ...rivals.map((rival, i) => {
          const measured = ratio(measure(OURS), measure(rival))
          return wanted[i] === undefined ? (measured === '–' ? '' : measured) : `${measured} (${wanted[i]})`
        }),
      ]),
    ),
    '',
    `p99 at 256, of that of connect-pg-simple (target 0.25): ${p99.join(', ')}.`,
  ]
}

function storeSection(store) {
  return [...new Set(store.map((row) => row.bytes))].flatMap((bytes) => [
    `### Sessions of ${bytes.toLocaleString('en')} bytes`,
    '',
    ...table(
      ['operation', 'at once', 'store', 'operations/s', 'p50 ms', 'p99 ms', 'client CPU µs', 'server CPU µs'],
      store
        .filter((row) => row.bytes === bytes)
        .map((row) => [
          row.operation,
          row.concurrency,
          row.name,
          spread(row, 'rate'),
          ...['p50', 'p99', 'clientUs', 'serverUs'].map((field) => number(of(row, field))),
        ]),
    ),
    '',
  ])
}

function httpSection(http) {
  return table(
    ['route', 'connections', 'store', 'requests/s', 'p50 ms', 'p99 ms'],
    http.map((row) => [
      row.route,
      row.connections,
      row.name,
      spread(row, 'rate'),
      number(of(row, 'p50')),
      number(of(row, 'p99')),
    ]),
  )
}

function plotStore(store) {
  const concurrencies = [...new Set(store.map((row) => row.concurrency))]
  const values = store
    .filter(
      (row) =>
        row.bytes === 300 && row.concurrency === (concurrencies.includes(256) ? 256 : concurrencies.at(-1)),
    )
    .map((row) => ({ store: row.name, group: row.operation, rate: of(row, 'rate') }))
  return plot('store.svg', 'Operations per second, 256 at once, sessions of 300 bytes', values)
}

function plotHttp(http) {
  const values = http
    .filter((row) => row.route === '/read')
    .map((row) => ({ store: row.name, group: `${row.connections} connections`, rate: of(row, 'rate') }))
  return plot('http.svg', 'Requests per second of an Express app, route that reads the session', values)
}

async function plot(file, title, values) {
  const { spec } = compile({
    title,
    data: { values },
    mark: 'bar',
    width: { step: 12 },
    encoding: {
      x: { field: 'group', title: null, sort: null, axis: { labelAngle: 0 } },
      xOffset: { field: 'store', sort: null },
      y: { field: 'rate', type: 'quantitative', title: 'per second' },
      color: { field: 'store', title: null, sort: null },
    },
    config: { background: 'white' },
  })
  const svg = await new View(parse(spec), { renderer: 'none' }).toSVG()
  writeFileSync(here(file), svg)
}
