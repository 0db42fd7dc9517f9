// A prune, from batch to batch, and when one starts. No database.

import assert from 'node:assert/strict'
import { tracingChannel } from 'node:diagnostics_channel'
import { type Deletes, type Place, prune } from '../../src/pruning/prune.ts'
import { Pruner } from '../../src/pruning/pruner.ts'
import { failure } from '../support/failure.ts'
import { promises } from '../support/promise.ts'

const test = promises('pruning')

const START: Place = { from: '', skip: 0 }
const pause = (ms: number) => new Promise((resume) => setTimeout(resume, ms))

interface Fake extends Deletes {
  /** The batches so far: how many rows each could have, and where it began. */
  readonly limits: number[]
  readonly places: Place[]
  /** The pages that were visited: from one up to another. */
  readonly visited: [number, number][]
  /** One more row expires. */
  expire(row: number): void
}

/**
 * A table with expired rows, numbered in the order of their expiry, of which some are refused.
 * @param pages answers a visit of pages, of which there are none by default
 */
function table({
  rows = 0,
  refused = [],
  kept = [],
  maxRows,
  pages = () => ({ count: 0, isOurTurn: true, pages: 0 }),
}: {
  rows?: number
  refused?: number[]
  kept?: number[]
  maxRows?: number
  pages?: (from: number) => { count: number; isOurTurn: boolean; pages: number }
}): Fake {
  const left = Array.from({ length: rows }, (_, i) => i + 1)
  const limits: number[] = []
  const places: Place[] = []
  const visited: [number, number][] = []
  const behind = ({ from }: Place) => left.filter((row) => row > Number(from))
  return {
    ...{ limits, places, visited },
    ...(maxRows !== undefined && { maxRows }),
    expire: (row) => void left.push(row),
    async oldest(limit, place) {
      limits.push(limit)
      places.push(place)
      const found = behind(place).slice(0, limit)
      const wrong = found.find((row) => refused.includes(row))
      if (wrong !== undefined) return { refused: `row ${wrong}` }
      const gone = found.filter((row) => !kept.includes(row))
      for (const row of gone) left.splice(left.indexOf(row), 1)
      const from = String(found.at(-1) ?? place.from)
      return { found: found.length, count: gone.length, place: { from, skip: 0 } }
    },
    async next(place) {
      return { from: String(behind(place)[0]), skip: 1 }
    },
    async onPages(from, upTo) {
      visited.push([from, upTo])
      return pages(from)
    },
  }
}

const run = async (deletes: Deletes, batchSize: number, place = START, isStopped = () => false) => {
  const reasons: unknown[] = []
  const pruned = await prune(deletes, place, { batchSize, isStopped, onRowsStay: (why) => reasons.push(why) })
  return { ...pruned, reasons }
}

test('batches follow each other, each behind the one before, until one is not full', async () => {
  const deletes = table({ rows: 7 })
  assert.deepEqual(await run(deletes, 3), {
    ...{ total: 7, place: { from: '7', skip: 0 }, isFinished: true, reasons: [] },
  })
  assert.deepEqual(deletes.limits, [3, 3, 3])
  assert.deepEqual(
    deletes.places.map(({ from }) => from),
    ['', '3', '6'],
  )
  const even = table({ rows: 6 })
  assert.equal((await run(even, 3)).total, 6)
  assert.deepEqual(even.limits, [3, 3, 3], 'a full batch may not be the last one')
  assert.equal((await run(table({}), 3, { from: '5', skip: 2 })).place.from, '5')
})

test('a prune begins where it is told to', async () => {
  const deletes = table({ rows: 5 })
  assert.equal((await run(deletes, 10, { from: '3', skip: 0 })).total, 2)
})

test('a refused row is found by halving the batch, told of, and left behind; all others are deleted', async () => {
  const deletes = table({ rows: 20, refused: [3] })
  const { total, isFinished, reasons } = await run(deletes, 8)
  assert.deepEqual({ total, isFinished, reasons }, { total: 19, isFinished: true, reasons: ['row 3'] })
  assert.deepEqual(deletes.limits, [8, 4, 2, 4, 2, 1, 1, 2, 4, 8, 8])
  assert.deepEqual(deletes.visited, [], 'pages are not tried where a row is refused')
})

test('rows that a trigger keeps are told of once for each batch, and keep no others', async () => {
  const { total, reasons } = await run(table({ rows: 10, kept: [2, 3] }), 4)
  assert.equal(total, 8)
  assert.deepEqual(
    reasons.map((why) => (why as { code: string }).code),
    ['STORE_KEPT'],
  )
})

test('a batch has no more rows than can be read at once', async () => {
  const deletes = table({ rows: 5, maxRows: 2 })
  assert.equal((await run(deletes, 100)).total, 5)
  assert.deepEqual(deletes.limits, [2, 2, 2])
})

test('a prune that is stopped ends behind its current batch', async () => {
  assert.equal((await run(table({ rows: 9 }), 3, START, () => true)).total, 3)
  const refusing = table({ rows: 9, refused: [1, 2, 3] })
  const { isFinished, total } = await run(refusing, 8, START, () => true)
  assert.deepEqual({ isFinished, total }, { isFinished: false, total: 0 })
  assert.equal(refusing.limits.length, 1)
  const walking = table({ rows: 9, pages: () => ({ count: 200, isOurTurn: true, pages: 1e9 }) })
  let asked = 0
  assert.equal((await run(walking, 3, START, () => ++asked > 1)).total, 203)
  assert.deepEqual(walking.visited, [[0, 200]])
})

test('a prune that is under way when the store is closed ends behind its current batch', async () => {
  const deletes = table({ rows: 9 })
  const { oldest } = deletes
  const { made } = pruner(deletes, { pruneSessionInterval: false }, 2)
  deletes.oldest = (...all) => {
    if (deletes.limits.length === 1) made.stop()
    return oldest(...all)
  }
  assert.equal(await made.prune(), 4)
})

test('after a thousand refused batches a prune ends, and says where the next has to go on', async () => {
  const refused = Array.from({ length: 2000 }, (_, i) => i + 1)
  const { total, place, isFinished, reasons } = await run(table({ rows: 2000, refused }), 1)
  assert.deepEqual({ total, isFinished }, { total: 0, isFinished: false })
  assert.deepEqual(place, { from: '1000', skip: 1 })
  assert.equal(reasons.length, 1000)
})

test('behind a full batch, pages are visited, as long as nearly each has a row to delete', async () => {
  const full = { count: 200, isOurTurn: true, pages: 1000 }
  const deletes = table({ rows: 9, pages: (from) => (from === 400 ? { ...full, count: 199 } : full) })
  const { total, isFinished } = await run(deletes, 4)
  // Four rows, three visits, four rows, and on from where the visits ended, to the last page.
  assert.deepEqual(deletes.visited, [
    ...[
      [0, 200],
      [200, 400],
      [400, 600],
      [600, 800],
      [800, 1000],
    ],
  ])
  assert.deepEqual({ total, isFinished }, { total: 4 + 599 + 4 + 400, isFinished: true })
  const short = table({ rows: 3, pages: () => full })
  await run(short, 4)
  assert.deepEqual(short.visited, [], 'not behind a batch that is not full')
})

test('a visit of the last page, or one while another process prunes, ends the prune', async () => {
  for (const { count, isOurTurn, pages, visits } of [
    { count: 200, isOurTurn: true, pages: 200, visits: 1 },
    { count: 200, isOurTurn: true, pages: 201, visits: 2 },
    { count: 0, isOurTurn: false, pages: 5000, visits: 1 },
    { count: 3, isOurTurn: true, pages: 10, visits: 1 },
  ]) {
    const deletes = table({ rows: 100, pages: () => ({ count, isOurTurn, pages }) })
    const { total, isFinished } = await run(deletes, 4)
    assert.equal(deletes.visited.length, visits)
    assert.deepEqual({ total, isFinished }, { total: 4 + count * visits, isFinished: true })
  }
})

test('a table without pages is pruned by batches alone', async () => {
  const deletes = table({ rows: 9 })
  assert.equal((await run(deletes, 4)).total, 9)
  assert.deepEqual(deletes.visited, [[0, 200]], 'asked once')
})

/** A pruner, and what it has reported. */
const pruner = (deletes: Deletes, more: object = {}, batchSize?: number) => {
  const reported: [message: string, error: unknown][] = []
  const made = new Pruner(
    {
      pruneSessionInterval: 1,
      pruneSessionRandomizedInterval: () => 1,
      errorLog: (message, error) => reported.push([message, error]),
      ...more,
    },
    deletes,
    batchSize,
  )
  return { made, reported }
}

const until = async (holds: () => boolean) => {
  while (!holds()) await pause(1)
}

test('the timer starts with the first use, again after each prune, and never after the stop', async () => {
  const deletes = table({})
  const { made } = pruner(deletes)
  await pause(20)
  assert.equal(deletes.limits.length, 0)
  made.start()
  await until(() => deletes.limits.length > 2)
  made.stop()
  await pause(5)
  const { length } = deletes.limits
  made.start()
  await made.prune()
  await pause(20)
  assert.equal(deletes.limits.length, length + 1, 'the one that was asked for')
})

test('a failed prune is reported, unless its failure is known already', async () => {
  const failed = new Error('failed')
  const asked: unknown[] = []
  let isKnown = true
  const deletes = { ...table({}), oldest: () => Promise.reject(failed) }
  const { made, reported } = pruner(deletes, {
    isKnown(error: unknown) {
      asked.push(error)
      return isKnown
    },
  })
  made.start()
  await until(() => asked.length === 2)
  assert.deepEqual(reported, [])
  isKnown = false
  await until(() => reported.length > 0)
  made.stop()
  assert.deepEqual(reported[0], ['Failed to prune sessions', failed])
  assert.equal(asked[0], failed)
})

test('without an interval only a call prunes', async () => {
  const deletes = table({ rows: 5 })
  const { made } = pruner(deletes, { pruneSessionInterval: false })
  made.start()
  await pause(20)
  assert.equal(deletes.limits.length, 0)
  assert.equal(await made.prune(), 5)
  await pause(20)
  assert.equal(deletes.limits.length, 1)
})

test('the interval is given in milliseconds, and is one timer however often the store is used', async () => {
  const intervals: number[] = []
  const { made } = pruner(table({}), {
    pruneSessionInterval: 5,
    pruneSessionRandomizedInterval: (ms: number) => {
      intervals.push(ms)
      return 100_000
    },
  })
  for (let i = 0; i < 3; i++) made.start()
  assert.deepEqual(intervals, [5000])
  await made.prune()
  assert.deepEqual(intervals, [5000, 5000], 'it counts from the last prune')
  made.stop()
})

test('no timer starts while a prune runs, and calls meanwhile share its number', async () => {
  let intervals = 0
  let end = () => {}
  const deletes = table({ rows: 3 })
  const { oldest } = deletes
  deletes.oldest = async (...all) => {
    await new Promise<void>((resolve) => {
      end = resolve
    })
    return oldest(...all)
  }
  const { made } = pruner(deletes, {
    pruneSessionRandomizedInterval: () => {
      intervals++
      return 100_000
    },
  })
  const counts = Promise.all([made.prune(), made.prune()])
  made.start()
  assert.equal(intervals, 0)
  await pause(1)
  end()
  assert.deepEqual(await counts, [3, 3])
  assert.equal(intervals, 1)
  made.stop()
})

test('an interval that no timer can have is reported, and taken as it was given', async () => {
  const thrown = new Error('thrown')
  for (const [given, reason] of [
    [-1, /^RangeError: Expected milliseconds from 0 to 2147483647, got -1$/],
    [2_147_483_648, /got 2147483648$/],
    [Number.NaN, /got NaN$/],
    [undefined, /got undefined$/],
    [thrown, /^Error: thrown$/],
  ] as const) {
    const { made, reported } = pruner(table({}), {
      pruneSessionInterval: 1000,
      pruneSessionRandomizedInterval() {
        if (given === thrown) throw thrown
        return given
      },
    })
    made.start()
    made.stop()
    assert.equal(reported.length, 1, String(given))
    assert.match(reported[0]![0], /^`pruneSessionRandomizedInterval` failed, the interval is taken as it is$/)
    assert.match(String(reported[0]![1]), reason)
  }
  for (const delay of [0, 2_147_483_647]) {
    const { made, reported } = pruner(table({}), { pruneSessionRandomizedInterval: () => delay })
    made.start()
    made.stop()
    assert.deepEqual(reported, [])
  }
})

test('a prune of the timer that fails is reported, and the next one comes; one by a call rejects', async () => {
  const deletes = table({ rows: 2 })
  const down = new Error('down')
  let failures = 0
  const { oldest } = deletes
  deletes.oldest = (...all) => (++failures <= 2 ? Promise.reject(down) : oldest(...all))
  const { made, reported } = pruner(deletes)
  assert.equal(await failure(made.prune()), down)
  assert.deepEqual(reported, [])
  await until(() => deletes.limits.length > 0)
  made.stop()
  assert.deepEqual(reported, [['Failed to prune sessions', down]])
})

test('a prune of the timer that fails because the store was closed is not reported', async () => {
  const deletes = table({})
  let began = false
  let fail = () => {}
  deletes.oldest = () => {
    began = true
    return new Promise((_, reject) => {
      fail = () => reject(new Error('closed'))
    })
  }
  const { made, reported } = pruner(deletes)
  made.start()
  await until(() => began)
  made.stop()
  fail()
  await pause(5)
  assert.deepEqual(reported, [])
})

test('how many were deleted is told to who counts, and to who traces', async () => {
  const counts: number[] = []
  const told: unknown[] = []
  const hear = (message: unknown) => void told.push((message as { deleted?: number }).deleted)
  const channel = tracingChannel('connect-postgres-simple:prune')
  const { made } = pruner(table({ rows: 5 }), { onPruned: (count: number) => counts.push(count) }, 2)
  channel.asyncEnd.subscribe(hear)
  try {
    assert.equal(await made.prune(), 5)
  } finally {
    channel.asyncEnd.unsubscribe(hear)
  }
  assert.deepEqual(counts, [5])
  assert.deepEqual(told, [5])
  made.stop()
})

test('rows that stay are reported once, and again only if none had stayed in between', async () => {
  const staying: number[] = [1]
  const deletes = table({ rows: 3, kept: staying })
  const { made, reported } = pruner(deletes, { pruneSessionInterval: false })
  for (let i = 0; i < 3; i++) await made.prune()
  assert.equal(reported.length, 1)
  assert.match(reported[0]![0], /^Some expired sessions cannot be pruned, the others are$/)
  staying.pop()
  await made.prune()
  assert.equal(reported.length, 1)
  staying.push(4)
  deletes.expire(4)
  await made.prune()
  assert.equal(reported.length, 2)
})

test('the timer goes on behind the rows that stay, and tries them again after ten times; a call always does', async () => {
  const deletes = table({ rows: 3, kept: [1, 2] })
  const { made } = pruner(deletes)
  made.start()
  await until(() => deletes.places.length >= 24)
  made.stop()
  const starts = deletes.places.map(({ from }) => (from === '' ? 'x' : '.')).join('')
  assert.match(starts, /^x\.{10}x\.{10}x/)
  const call = table({ rows: 3, kept: [1, 2] })
  const { made: called } = pruner(call, { pruneSessionInterval: false })
  for (let i = 0; i < 3; i++) await called.prune()
  assert.deepEqual(call.places, [START, START, START])
})

test('where rows are refused for ever, each prune goes on behind the one before, however often', async () => {
  let last = 0
  const begun: string[] = []
  const deletes: Deletes = {
    ...table({}),
    async oldest(_, { from }) {
      begun.push(from)
      return { refused: 'always' }
    },
    next: async () => ({ from: String(++last), skip: 1 }),
  }
  const { made } = pruner(deletes, {}, 1)
  made.start()
  await until(() => begun.length >= 15_000)
  made.stop()
  const starts = begun.filter((_, i) => i % 1000 === 0)
  assert.deepEqual(
    starts.slice(1, 15),
    Array.from({ length: 14 }, (_, i) => String((i + 1) * 1000)),
  )
})

test('a prune that ended because too many rows were refused is gone on with, by a call too', async () => {
  const refused = Array.from({ length: 1500 }, (_, i) => i + 1)
  const deletes = table({ rows: 1501, refused })
  const { made } = pruner(deletes, { pruneSessionInterval: false }, 1)
  assert.equal(await made.prune(), 0)
  deletes.places.length = 0
  assert.equal(await made.prune(), 1)
  assert.deepEqual(deletes.places[0], { from: '1000', skip: 1 })
  deletes.places.length = 0
  await made.prune()
  assert.deepEqual(deletes.places[0], START, 'then from the start')
})
