// How much of everything is measured: by `npm run bench`, in a small part of the time by `-- --quick`, and
// by `-- --smoke` as little as shows that all parts work, with figures that mean nothing.

import { BACK } from './load/workloads.js'

const VERBS = ['get', 'get+touch', 'touch', 'set loaded', 'set new', 'destroy']
const OTHER_VERBS = VERBS.filter((verb) => verb !== 'get+touch')
/** Milliseconds each way. */
const DELAYS = [0, 0.25, 1, 5]
const PACE = { rounds: 5, ms: 300, warmMs: 100, compileMs: 500 }
const SLOW_PACE = { rounds: 3, ms: 600, warmMs: 150, compileMs: 300 }

const FULL = {
  rivals: 'all',
  delays: DELAYS,
  pools: { sizes: [10, 20, 40, 80], concurrency: 256, ...SLOW_PACE },
  cost: { rounds: 3, users: 400, pagesPerSecond: 100, seconds: 12 },
  store: [
    { ...PACE, bytes: 300, operations: [...VERBS, BACK], concurrencies: [1, 32, 256] },
    { ...SLOW_PACE, bytes: 300, operations: ['get+touch'], concurrencies: [8, 64, 1000] },
    { ...PACE, bytes: 4000, operations: ['get', 'get+touch', 'set loaded'], concurrencies: [1, 256] },
    { ...PACE, bytes: 64_000, operations: ['get', 'set loaded', 'set new'], concurrencies: [1, 32, 256] },
  ],
  relay: [
    { ...SLOW_PACE, delays: DELAYS, operations: ['get+touch'], concurrencies: [1, 8, 32, 64, 256, 1000] },
    { ...SLOW_PACE, delays: [1], operations: OTHER_VERBS, concurrencies: [1] },
  ],
  open: {
    delays: [1],
    operation: 'get+touch',
    rates: [100, 500, 1000, 2000, 3000, 5000, 10_000],
    ...{ rounds: 2, ms: 2000, warmMs: 300, compileMs: 500 },
  },
  http: [
    { routes: ['/read', '/write'], connections: [32, 256], rounds: 3, seconds: 1.5, warmSeconds: 0.5 },
    { delayMs: 1, routes: ['/read'], connections: [32, 256], rounds: 3, seconds: 1.5, warmSeconds: 0.5 },
  ],
  processes: { counts: [1, 2, 4, 8], concurrency: 64, rounds: 3, ms: 1000, warmMs: 300 },
  rows: {
    sizes: [10_000, 1_000_000],
    partitioned: 1_000_000,
    operations: ['get', 'get+touch'],
    concurrency: 256,
    ...{ rounds: 5, ms: 1000, warmMs: 1000, compileMs: 500 },
  },
  byUser: { sizes: [1_000_000], rounds: 5, calls: 1000 },
  prune: { expired: 1_000_000, live: 200_000, rounds: 3 },
  limit: { rounds: 5, ms: 2000 },
  start: { rounds: 15 },
  soak: { minutes: 3, warmSeconds: 10 },
}

const QUICK_PACE = { rounds: 2, ms: 200, warmMs: 80, compileMs: 150 }

const QUICK = {
  rivals: 'main',
  delays: DELAYS,
  pools: { ...FULL.pools, ...QUICK_PACE },
  cost: { rounds: 1, users: 400, pagesPerSecond: 100, seconds: 4 },
  store: [
    { ...QUICK_PACE, bytes: 300, operations: [...VERBS, BACK], concurrencies: [1, 256] },
    {
      ...QUICK_PACE,
      bytes: 64_000,
      operations: ['get', 'set loaded', 'set new'],
      concurrencies: [1, 32, 256],
    },
  ],
  relay: [
    { ...QUICK_PACE, delays: [1], operations: ['get+touch'], concurrencies: [1, 8, 64, 256] },
    { ...QUICK_PACE, delays: [0, 0.25, 5], operations: ['get+touch'], concurrencies: [1, 256] },
    { ...QUICK_PACE, delays: [1], operations: OTHER_VERBS, concurrencies: [1] },
  ],
  open: {
    ...FULL.open,
    delays: [1],
    rates: [100, 1000, 2000, 5000, 10_000],
    ...{ rounds: 1, ms: 1000, warmMs: 100, compileMs: 200 },
  },
  http: FULL.http.map((each) => ({
    ...each,
    ...{ routes: ['/read'], connections: [32, 256], rounds: 1, seconds: 1, warmSeconds: 0.5 },
  })),
  processes: { ...FULL.processes, rounds: 1, ms: 500, warmMs: 150 },
  rows: {
    ...FULL.rows,
    sizes: [10_000, 100_000],
    partitioned: 100_000,
    rounds: 2,
    ms: 500,
    warmMs: 300,
    compileMs: 200,
  },
  byUser: { sizes: [100_000], rounds: 1, calls: 500 },
  prune: { expired: 100_000, live: 20_000, rounds: 1 },
  limit: { rounds: 1, ms: 1000 },
  start: { rounds: 3 },
  soak: { minutes: 0, warmSeconds: 5 },
}

const SMOKE_PACE = { rounds: 1, ms: 30, warmMs: 10, compileMs: 10 }

const SMOKE = {
  ...QUICK,
  rivals: 'all',
  delays: [1],
  pools: { ...QUICK.pools, ...SMOKE_PACE, sizes: [10, 40] },
  cost: { rounds: 1, users: 50, pagesPerSecond: 50, seconds: 1 },
  store: QUICK.store.map((each) => ({ ...each, ...SMOKE_PACE })),
  relay: QUICK.relay.map((each) => ({ ...each, ...SMOKE_PACE })),
  open: { ...QUICK.open, ms: 200, warmMs: 20, compileMs: 10 },
  http: QUICK.http.map((each) => ({ ...each, seconds: 0.3, warmSeconds: 0.1 })),
  processes: { ...QUICK.processes, ms: 50, warmMs: 10 },
  rows: { ...QUICK.rows, ...SMOKE_PACE, sizes: [1000, 10_000], partitioned: 10_000 },
  byUser: { sizes: [10_000], rounds: 1, calls: 20 },
  prune: { expired: 5000, live: 1000, rounds: 1 },
  limit: { rounds: 1, ms: 100 },
  start: { rounds: 1 },
  soak: { minutes: 0, warmSeconds: 0.2 },
}

export const plans = { full: FULL, quick: QUICK, smoke: SMOKE }
