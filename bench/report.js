// What was measured, as results.md and as plots. Medians of the rounds, with their spread; ratios only within this run.

import { readFileSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import { parse, View } from 'vega'
import { compile } from 'vega-lite'

const OURS = 'connect-postgres-simple'
const here = (name) => new URL(name, import.meta.url)

export async function report({ store, http, versions, quick }) {
  const lines = ['# Results', '', ...machine(versions, quick), '', ...targets(store, http)]
  if (store.length > 0) lines.push('', '## The stores by themselves', '', ...storeTables(store))
  if (http.length > 0)
    lines.push(
      '',
      '## Whole requests: Express 5, express-session, a session of 600 bytes',
      '',
      ...httpTables(http),
    )
  writeFileSync(here('results.md'), `${lines.join('\n')}\n`)
  if (store.length > 0) await plotStore(store)
  if (http.length > 0) await plotHttp(http)
}

function machine(versions, quick) {
  const names = [
    'postgres',
    'connect-pg-simple',
    'pg',
    'connect-session-knex',
    'knex',
    'connect-redis',
    'redis',
    'express',
  ]
  const versionOf = (name) =>
    JSON.parse(readFileSync(here(`node_modules/${name}/package.json`), 'utf8')).version
  const all = {
    Node: process.version,
    ...versions,
    ...Object.fromEntries(names.map((name) => [name, versionOf(name)])),
  }
  return [
    `${new Date().toISOString().slice(0, 10)}, ${os.cpus().length} cores of ${os.cpus()[0]?.model ?? os.arch()} for all of it: ` +
      `clients, servers and load generator. Made by \`npm run bench${quick ? ' -- --quick' : ''}\`.`,
    '',
    `${Object.entries(all)
      .map(([name, version]) => `${name} ${version}`)
      .join(', ')}.`,
    '',
    'PostgreSQL has its default durability, Redis none. Each subject has a process of its own; they take turns, in an order ' +
      'that rotates, and warm up before each turn. Every figure is the median of the rounds, with the lowest and the ' +
      'highest. Every answer was checked.',
  ]
}

const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1]
const of = (row, field) => median(row.rounds.map((round) => round[field]))
/** Absent where the machine does not tell, or where nothing was done in the time. */
function number(value) {
  if (!Number.isFinite(value)) return '–'
  return value >= 100 ? Math.round(value).toLocaleString('en') : value.toPrecision(2)
}

const spread = (row, field) => {
  const values = row.rounds.map((round) => round[field])
  return `${number(median(values))} (${number(Math.min(...values))}–${number(Math.max(...values))})`
}

function targets(store, http) {
  const rate = (name, operation, concurrency) => {
    const row = store.find(
      (each) =>
        each.name === name &&
        each.operation === operation &&
        each.concurrency === concurrency &&
        each.bytes === 300,
    )
    return row && of(row, 'rate')
  }
  const requests = (name, connections) => {
    const row = http.find(
      (each) => each.name === name && each.route === '/read' && each.connections === connections,
    )
    return row && of(row, 'rate')
  }
  const ratio = (measure, rival, ...at) => {
    const [ours, theirs] = [measure(OURS, ...at), measure(rival, ...at)]
    return ours && theirs ? `${(ours / theirs).toFixed(1)}×` : '–'
  }
  const rows = [
    ...[
      ['get', 256],
      ['get+touch', 256],
      ['set loaded', 256],
      ['get+touch', 32],
      ['get', 1],
    ].map(([operation, concurrency]) => [
      `${operation}, ${concurrency} at once`,
      ...['connect-pg-simple', 'connect-redis'].map((rival) => ratio(rate, rival, operation, concurrency)),
      '',
    ]),
    ...[32, 256].map((connections) => [
      `HTTP read route, ${connections} connections`,
      ...['connect-pg-simple', 'connect-redis', 'MemoryStore'].map((rival) =>
        ratio(requests, rival, connections),
      ),
    ]),
  ]
  return [
    'Throughput of this store, as a multiple of that of',
    '',
    ...table(['', 'connect-pg-simple', 'connect-redis', 'MemoryStore'], rows),
  ]
}

function storeTables(store) {
  return [...new Set(store.map((row) => row.bytes))].flatMap((bytes) => [
    `### Sessions of ${bytes.toLocaleString('en')} bytes`,
    '',
    ...table(
      ['operation', 'at once', 'store', 'operations/s', 'p50 ms', 'p99 ms', 'client CPU µs', 'server CPU µs'],
      store
        .filter((row) => row.bytes === bytes)
        .sort((a, b) => a.operation.localeCompare(b.operation) || a.concurrency - b.concurrency)
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

function httpTables(http) {
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

function table(head, rows) {
  const line = (cells) => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)]
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
