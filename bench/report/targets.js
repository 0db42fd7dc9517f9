// The targets, and whether they are met. Ratios are those of rounds in which both took their turns.

import { BACK } from '../load/workloads.js'
import { isPooled, OURS, OURS_EVERY_TOUCH, PG_SIMPLE, redisName } from '../subjects/roster.js'
import { find, number, of, ratio, table, times } from './figures.js'
import { rowsIn, sameTable } from './many-rows.js'

const VERBS = ['get', 'get+touch', 'touch', 'set loaded', 'set new', 'destroy']
/** Those that write a row. */
const WRITES = ['touch', 'set loaded', 'set new']
const SINGLE = ['get', ...WRITES]
const RIVALS = [PG_SIMPLE, redisName('redis5', 'redis'), redisName('redis5', 'redisAlways'), 'MemoryStore']

const inStore = (operation, concurrency, bytes = 300) => ({ part: 'store', operation, concurrency, bytes })
const inRelay = (operation, concurrency) => ({
  part: 'relay',
  operation,
  concurrency,
  bytes: 300,
  delayMs: 1,
})
const inHttp = (concurrency) => ({ part: 'http', route: '/read', concurrency, delayMs: undefined })

/** What, where it was measured, and the wanted multiples of `RIVALS`. */
const MULTIPLES = [
  ['get, 256 at once', inStore('get', 256), 10, 0.75, 0.75],
  [`${BACK}, 256 at once`, inStore(BACK, 256), 20, 0.9, 1.2],
  ['get+touch, every touch written, 256 at once', inStore('get+touch', 256), 9, 0.4, 0.5],
  ['set loaded, 256 at once', inStore('set loaded', 256), 10, 0.5, 0.65],
  ['set new, 256 at once', inStore('set new', 256)],
  ['destroy, 256 at once', inStore('destroy', 256)],
  ...VERBS.map((verb) => [`${verb}, 1 at once`, inStore(verb, 1), 1]),
  ...[
    [256, 25, 1],
    [64, 8, 1],
    [8, 1.2],
    [1, 1],
  ].map(([count, ...wanted]) => [
    `get+touch, 1 ms each way, ${count} at once`,
    inRelay('get+touch', count),
    ...wanted,
  ]),
  ...VERBS.filter((verb) => verb !== 'get+touch').map((verb) => [
    `${verb}, 1 ms each way, 1 at once`,
    inRelay(verb, 1),
    1,
  ]),
  ...['get', 'set loaded', 'set new'].flatMap((verb) =>
    [1, 32, 256].map((count) => [
      `${verb} of 64 KB, ${count} at once`,
      inStore(verb, count, 64_000),
      verb === 'get' ? undefined : 1,
    ]),
  ),
  ...[32, 256].map((count) => [`HTTP read, ${count} connections`, inHttp(count), 2.6, 1, 1, 0.9]),
]

/** @param results of all parts */
export function multiples(results) {
  const rows = MULTIPLES.map((/** @type {any[]} */ [what, { part, ...where }, ...wanted]) => {
    const measured = rowsOf(results, part)
    // In HTTP the store takes part with its defaults too.
    const name = part === 'http' ? OURS_EVERY_TOUCH : OURS
    const our = find(measured, { ...where, store: name })
    const against = (store, target) =>
      verdict(ratio(our, find(measured, { ...where, store }), 'rate'), target)
    const [first, ...others] = RIVALS.map((rival, i) => against(rival, wanted[i]))
    return [what, first, bestPool(measured, where, against), ...others]
  })
  const best = 'connect-pg-simple, its best pool'
  return table(['', RIVALS[0], best, ...RIVALS.slice(1)], rows)
}

/** Where that is not the usual one. */
function bestPool(measured, where, against) {
  const other = measured.find(
    ({ store, ...row }) =>
      isPooled(store) &&
      store !== PG_SIMPLE &&
      Object.entries(where).every(([key, value]) => row[key] === value),
  )
  return other ? `${against(other.store)}, ${other.store.split(' ').at(-1)}` : ''
}

const verdict = (value, target) => {
  if (target === undefined) return value === undefined ? '' : times(value)
  if (value === undefined) return `– (≥ ${target}, not measured)`
  return value >= target ? `${times(value)} (≥ ${target})` : `**${times(value)}** (≥ ${target}: missed)`
}

const atMost = (value, target, show = times) => {
  if (value === undefined) return `– (≤ ${target}, not measured)`
  return value <= target ? `${show(value)} (≤ ${target})` : `**${show(value)}** (≤ ${target}: missed)`
}

/** Those that are no multiples of throughput, one a line. */
export function others(results) {
  const store = rowsOf(results, 'store')
  const cost = rowsOf(results, 'cost')
  const cpu = ratio(find(cost, { store: OURS }), find(cost, { store: PG_SIMPLE }), 'serverUs')
  const importMs = of(find(rowsOf(results, 'start'), { store: OURS }), 'importMs')
  const limits = rowsOf(results, 'limit').map((row) => {
    const share = of(row, 'rate') / of(row, 'limit')
    return `${row.operation} ${row.operation === 'get' ? verdict(share, 0.4) : times(share)}`
  })
  const ofPgSimple = `of that of ${PG_SIMPLE}`
  return [
    `- p99, 256 at once, ${ofPgSimple}: ${shares(store, SINGLE, 256, 'p99', 0.2)}.`,
    `- p50, 1 at once, ${ofPgSimple}: ${shares(store, VERBS, 1, 'p50', 1)}.`,
    `- CPU of the server, 256 at once, ${ofPgSimple}: ${shares(store, WRITES, 256, 'serverUs', 1)}.`,
    `- WAL for a row, 256 at once, ${ofPgSimple}: ${shares(store, WRITES, 256, 'logBytes', 1)}.`,
    `- CPU of the server for a request of the realistic user, ${ofPgSimple}: ${atMost(cpu, 0.067)}.`,
    `- Rows per second, of what pgbench reaches with the same statements: ${limits.join(', ') || '–'}.`,
    `- Throughput with many rows, as a multiple ${ofPgSimple}: ${manyRows(results)}.`,
    `- Import, in ms more than that of express-session: ${atMost(importMs, 40, number)}.`,
  ]
}

/** Of several verbs, each with its verdict. */
function shares(rows, verbs, concurrency, field, target) {
  const of = (operation, store) => find(rows, { operation, concurrency, bytes: 300, store })
  return verbs
    .map((verb) => `${verb} ${atMost(ratio(of(verb, OURS), of(verb, PG_SIMPLE), field), target)}`)
    .join(', ')
}

function manyRows(results) {
  const rows = rowsOf(results, 'rows')
  const ours = rows.filter(({ store }) => store === OURS)
  const multiples = ours.map((row) => {
    const theirs = sameTable(rows, row, rows.find(({ store }) => store !== OURS)?.store)
    return `${row.operation} of ${rowsIn(row)} ${verdict(ratio(row, theirs, 'rate'), 6)}`
  })
  return multiples.join(', ') || '–'
}

/** Of the stores that took part. */
export const rowsOf = (results, part) => (results[part]?.measured ?? []).filter(({ store }) => store)

/** How well each network of the relay was kept: a row without a store. */
export const networksOf = (results) => (results.relay?.measured ?? []).filter(({ store }) => !store)
