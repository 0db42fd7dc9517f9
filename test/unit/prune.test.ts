// How a prune goes through the expired rows. No database.

import assert from 'node:assert/strict'
import { type Deletes, prune } from '../../src/pruning/prune.ts'
import { promises } from '../support/promise.ts'

const test = promises('prune, in steps')

const START = { from: '', skip: 0 }
const options = { batchSize: 10, isStopped: () => false, onRowsStay() {} }

/** A table of so many pages, each with a row to delete, from which a batch by expiry takes ten. */
function paged(pages: number) {
  const visited: number[] = []
  let left = pages
  const deletes: Deletes = {
    async oldest(limit, place) {
      const count = Math.min(limit, left)
      left -= count
      return { found: count, count, place }
    },
    next: async (place) => place,
    async onPages(from, upTo) {
      visited.push(from)
      const count = Math.max(0, Math.min(upTo, pages) - from)
      left = Math.max(0, left - count)
      return { count, isOurTurn: true, pages }
    },
  }
  return { deletes, visited }
}

test('each page is visited once, the last one too, and nothing behind it', async () => {
  for (const [pages, visits] of [
    [199, [0]],
    [200, [0]],
    [201, [0, 200]],
    [400, [0, 200]],
    [1000, [0, 200, 400, 600, 800]],
  ] as const) {
    const { deletes, visited } = paged(pages)
    await prune(deletes, START, options)
    assert.deepEqual(visited, visits, String(pages))
  }
})

test('a batch that is refused is halved down to the row at fault, that one is passed over, and the rest is deleted', async () => {
  const rows = Array.from({ length: 40 }, (_, i) => i)
  const refused = new Set([3, 17])
  const sizes: number[] = []
  const reasons: unknown[] = []
  const deletes: Deletes = {
    async oldest(limit, { skip }) {
      sizes.push(limit)
      const found = rows.slice(skip, skip + limit)
      if (found.some((each) => refused.has(each))) return { refused: new Error('protected') }
      rows.splice(skip, found.length)
      return { found: found.length, count: found.length, place: { from: '', skip } }
    },
    next: async ({ from, skip }) => ({ from, skip: skip + 1 }),
    onPages: async () => ({ count: 0, isOurTurn: true, pages: 0 }),
  }
  const onRowsStay = (reason: unknown) => void reasons.push((reason as Error).message)
  const pruned = await prune(deletes, START, { ...options, onRowsStay })
  assert.deepEqual(rows, [3, 17])
  assert.deepEqual([pruned.total, pruned.isFinished, pruned.place.skip], [38, true, 2])
  assert.deepEqual(reasons, ['protected', 'protected'])
  assert.ok(Math.max(...sizes) === 10 && Math.min(...sizes) === 1)
})

test('it stops after the batch when it is told to, and when too many rows are refused', async () => {
  let batches = 0
  const { deletes } = paged(1000)
  const counted: Deletes = {
    ...deletes,
    oldest: (limit, place) => {
      batches++
      return deletes.oldest(limit, place)
    },
  }
  assert.equal((await prune(counted, START, { ...options, isStopped: () => true })).total, 10)
  assert.equal(batches, 1)
  let asked = 0
  const never: Deletes = {
    ...deletes,
    oldest: async () => {
      asked++
      return { refused: new Error('all') }
    },
  }
  const { isFinished, total } = await prune(never, START, options)
  assert.deepEqual([isFinished, total, asked], [false, 0, 1000])
})
