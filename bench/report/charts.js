// The five charts of the page: what they show, and in which colours.

import { BACK } from '../load/workloads.js'
import { isPooled, OURS, OURS_EVERY_TOUCH, PG_SIMPLE, redisName } from '../subjects/roster.js'
import { of, rangeOf } from './figures.js'
import { networkName } from './network-name.js'
import { bars, lines } from './plot.js'
import { rowsOf } from './targets.js'

// By Okabe and Ito: told apart by people who do not see all colours, and on light and dark ground. In the
// order in which they are drawn.
const COLORS = {
  [OURS]: ['#0072b2'],
  [OURS_EVERY_TOUCH]: ['#56b4e9'],
  [PG_SIMPLE]: ['#d55e00'],
  'other pools': ['#e69f00', '#f0e442'],
  [redisName('redis5', 'redis')]: ['#009e73'],
  [redisName('redis5', 'redisAlways')]: ['#cc79a7'],
  MemoryStore: ['#999999'],
}
const colorKeyOf = (store) => (isPooled(store) && store !== PG_SIMPLE ? 'other pools' : store)
const rankOf = (store) => Object.keys(COLORS).indexOf(colorKeyOf(store))

/**
 * @returns {{ name: string, alt: string, svgs: Promise<Record<string, string>> }[]} those of which there
 *   are figures
 */
export function charts(results) {
  const store = rowsOf(results, 'store').filter(isShown)
  const network = rowsOf(results, 'relay').filter(isShown)
  const open = rowsOf(results, 'open').filter(isShown)
  const http = rowsOf(results, 'http').filter(isShown)
  return [
    chart(
      bars,
      'operations',
      store.filter((row) => row.concurrency === 256 && row.bytes === 300),
      {
        title: ['Operations per second, 256 at once, no network,', 'sessions of 300 bytes'],
        point: ({ operation }) => ({ group: operation === BACK ? BACK.replace(', ', ',|') : operation }),
      },
    ),
    chart(
      bars,
      'large',
      store.filter(
        (row) => row.bytes === 64_000 && row.operation !== 'destroy' && !/touch/.test(row.operation),
      ),
      {
        title: ['Operations per second, sessions of 64 KB,', '1, 32 and 256 at once, no network'],
        point: ({ operation, concurrency }) => ({ group: `${operation},|${concurrency} at once` }),
      },
    ),
    chart(
      lines,
      'network',
      network.filter((row) => row.operation === 'get+touch' && row.delayMs === 1),
      {
        title: [
          'get+touch per second by how many are at once, network of 1 ms each way,',
          'sessions of 300 bytes',
        ],
        x: 'at once',
        point: ({ concurrency }) => ({ x: concurrency }),
      },
    ),
    chart(
      lines,
      'arrivals',
      open.filter((row) => row.delayMs === 1),
      {
        title: [
          'p99 of get+touch that arrive at random, as many at once as come,',
          'network of 1 ms each way (× where a store falls behind for good)',
        ],
        x: 'arrivals per second',
        y: 'ms',
        field: 'p99',
        point: ({ arrivals, behind }) => ({ x: arrivals, ...(behind && { mark: '×' }) }),
      },
    ),
    chart(
      bars,
      'http',
      http.filter((row) => row.route === '/read' && row.concurrency > 1),
      {
        title: [
          'Requests per second of an Express app that reads the session,',
          '32 and 256 connections at once, without and with a network',
        ],
        point: ({ concurrency, delayMs }) => ({
          group: `${concurrency} connections,|${networkName(delayMs)}`,
        }),
      },
    ),
  ].filter((each) => each !== undefined)
}

const isShown = ({ store }) => rankOf(store) >= 0

function chart(draw, name, rows, { title, x = undefined, y = 'per second', field = 'rate', point }) {
  if (rows.length === 0) return undefined
  const points = rows
    .filter((row) => of(row, field) > 0)
    .toSorted((a, b) => rankOf(a.store) - rankOf(b.store))
    .map((row) => {
      const [low, high] = rangeOf(row, field)
      return { store: row.store, value: of(row, field), low, high, ...point(row) }
    })
  return { name, alt: title.join(' '), svgs: draw({ title, x, y, colors: colorsOf(points) }, points) }
}

function colorsOf(points) {
  const colors = {}
  const used = {}
  for (const { store } of points) {
    const key = colorKeyOf(store)
    used[key] ??= 0
    colors[store] ??= COLORS[key][used[key]++]
  }
  return colors
}
