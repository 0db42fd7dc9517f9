// The smaller tables of the page.

import { OURS, OURS_EVERY_TOUCH, PG_SIMPLE } from '../subjects/roster.js'
import { find, number, of, ratio, spread, table, times } from './figures.js'
import { rowsIn, sameTable } from './many-rows.js'
import { networkName } from './network-name.js'
import { networksOf, rowsOf } from './targets.js'

const different = (rows, field) => [...new Set(rows.map((row) => row[field]))]
const kilobytes = (row) => number(of(row, 'logBytes') / 1000)

/** What 1,000 requests of a realistic user cost the database. */
export const costTable = (results) =>
  table(
    [
      'store',
      'CPU, ms',
      'log, KB',
      'dead tuples',
      'transactions',
      'connections',
      'CPU of the app, ms',
      'p50 ms',
      'p99 ms',
    ],
    rowsOf(results, 'cost').map((row) => [
      row.store,
      // Microseconds for one are milliseconds for a thousand.
      spread(row, 'serverUs'),
      kilobytes(row),
      ...['deadTuples', 'transactions', 'connections', 'clientUs', 'p50', 'p99'].map((field) =>
        number(of(row, field)),
      ),
    ]),
  )

/** Sizes of connect-pg-simple's pool. */
export function poolTable(results) {
  const rows = rowsOf(results, 'pools')
  return table(
    ['', ...different(rows, 'size').map((size) => `pool of ${size}`)],
    different(rows, 'delayMs').map((delayMs) => [
      networkName(delayMs),
      ...rows.filter((row) => row.delayMs === delayMs).map((row) => spread(row, 'rate')),
    ]),
  )
}

/** How well the relay kept its delays. */
export const pingTable = (results) =>
  table(
    [
      'delay',
      'wanted, there and back',
      'ping p1',
      'p50',
      'p99',
      'packets under load too late by, p50',
      'p99',
    ],
    networksOf(results).map((row) => [
      networkName(row.delayMs),
      2 * row.delayMs,
      ...['pingP1', 'pingP50', 'pingP99', 'lateP50', 'lateP99'].map((field) => of(row, field).toFixed(2)),
    ]),
  )

/** get+touch with each delay and number at once: the store, and its multiple of connect-pg-simple. */
export function relayTable(results) {
  const rows = rowsOf(results, 'relay').filter((row) => row.operation === 'get+touch')
  const counts = different(rows, 'concurrency').toSorted((a, b) => a - b)
  return table(
    ['get+touch', ...counts.map((count) => `${count} at once`)],
    different(rows, 'delayMs').map((delayMs) => [
      networkName(delayMs),
      ...counts.map((concurrency) => {
        const of = (store) => find(rows, { delayMs, concurrency, store })
        const our = of(OURS)
        return our ? `${spread(our, 'rate')}, ${times(ratio(our, of(PG_SIMPLE), 'rate'))}` : ''
      }),
    ]),
  )
}

/** At which rate of arrivals each store falls behind. */
export function arrivalTable(results) {
  const rows = rowsOf(results, 'open')
  const rates = different(rows, 'arrivals')
  return different(rows, 'delayMs').flatMap((delayMs) => [
    '',
    ...table(
      [networkName(delayMs), ...rates.map((rate) => `${rate.toLocaleString('en')}/s`)],
      different(rows, 'store')
        .filter((store) => find(rows, { delayMs, store }))
        .map((store) => [
          store,
          ...rates.map((arrivals) => {
            const row = find(rows, { delayMs, store, arrivals })
            if (!row) return ''
            return row.behind ? 'falls behind' : `${number(of(row, 'p50'))} / ${number(of(row, 'p99'))}`
          }),
        ]),
    ),
  ])
}

export function processTable(results) {
  const rows = rowsOf(results, 'processes')
  return byStore(rows, 'processes', (count) => `${count} ${count === 1 ? 'process' : 'processes'}`)
}

export function rowTable(results) {
  const rows = rowsOf(results, 'rows')
  const pgSimple = different(rows, 'store').find((name) => name !== OURS)
  return table(
    ['operation', 'table', 'operations/s', `of ${pgSimple}`],
    rows
      .filter((row) => row.store === OURS)
      .map((row) => [
        row.operation,
        rowsIn(row),
        spread(row, 'rate'),
        times(ratio(row, sameTable(rows, row, pgSimple), 'rate')),
      ]),
  )
}

export const byUserTable = (results) =>
  table(
    ['rows', 'without the index, s', 'to build it, s', 'with it: median, ms', 'p99, ms', 'the worst, ms'],
    rowsOf(results, 'by-user').map((row) => [
      row.rows.toLocaleString('en'),
      number(of(row, 'withoutMs') / 1000),
      number(of(row, 'buildSeconds')),
      ...['p50', 'p99', 'worst'].map((field) => spread(row, field)),
    ]),
  )

export const pruneTable = (results) =>
  table(
    ['', 'expired rows', 'among live ones', 'seconds', 'p99 of 64 readers, ms'],
    rowsOf(results, 'prune').map((row) => [
      row.store === OURS ? `${row.store}, in batches` : `${row.store}, one DELETE`,
      ...[row.expired, row.live].map((count) => count.toLocaleString('en')),
      spread(row, 'seconds'),
      spread(row, 'p99'),
    ]),
  )

export const limitTable = (results) =>
  table(
    ['operation', 'store, rows/s', 'pgbench, rows/s'],
    rowsOf(results, 'limit').map((row) => [row.operation, spread(row, 'rate'), spread(row, 'limit')]),
  )

export const startTable = (results) =>
  table(
    ['', 'import, ms more than express-session', 'then to the first answer, ms'],
    rowsOf(results, 'start').map((row) => [row.store, spread(row, 'importMs'), spread(row, 'firstMs')]),
  )

export function soakTable(results) {
  const [row] = rowsOf(results, 'soak')
  if (!row) return []
  return table(
    row.rounds.map((_, minute) => (minute === 0 ? 'start' : `${minute} min`)),
    [row.rounds.map(({ heapBytes }) => (heapBytes / 1e6).toFixed(2))],
  )
}

/** Requests per second of an Express app. */
export function httpTable(results) {
  const rows = rowsOf(results, 'http')
  const cases = rows
    .filter((row) => row.store === OURS_EVERY_TOUCH)
    .map(({ route, concurrency, delayMs }) => ({ route, concurrency, delayMs }))
  return table(
    [
      '',
      ...cases.map(({ route, concurrency, delayMs }) => `${route}, ${concurrency}, ${networkName(delayMs)}`),
    ],
    different(rows, 'store').map((store) => [
      store,
      ...cases.map((where) => spread(find(rows, { ...where, store }), 'rate')),
    ]),
  )
}

function byStore(rows, field, title) {
  const values = different(rows, field)
  return table(
    ['', ...values.map(title)],
    different(rows, 'store').map((store) => [
      store,
      ...values.map((value) => spread(find(rows, { store, [field]: value }), 'rate')),
    ]),
  )
}
