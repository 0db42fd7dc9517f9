// What the benchmark keeps of a run: it is read back as it was, or not at all.

import assert from 'node:assert/strict'
import { csv, resultsOf } from '../../bench/report/csv.js'
import { promises } from '../support/promise.ts'

const test = promises('kept results')

const run = { date: '2026-01-02', commit: '6e1', isDirty: false, length: 'full', isHuge: true }
const machine = {
  cores: 2,
  cpu: '7',
  versions: { PostgreSQL: '18.10', Redis: 'not measured', Node: 'v20.1.0' },
}
const store = {
  ...{ ...run, ...machine },
  measured: [
    { store: '1, of "a"', operation: 'get', concurrency: 1, rounds: [{ rate: 1.5 }, { rate: 2 }] },
    { store: 'b', operation: 'get', concurrency: 8, rounds: [{ rate: 3, worst: 0 }] },
  ],
}
const results = { store, limit: { ...run, ...machine, isHuge: false, measured: [] } }

test('results are read back as they were, with a part that measured nothing', () => {
  const read: any = resultsOf(csv(results))
  assert.deepEqual(csv(read), csv(results))
  assert.deepEqual(read.limit, results.limit)
  assert.deepEqual({ ...read.store, measured: [] }, { ...results.store, measured: [] })
  assert.deepEqual(
    read.store.measured.map(({ store, concurrency, rounds }: any) => [
      ...[store, concurrency],
      ...rounds.map(({ rate }: { rate: number }) => rate),
    ]),
    [
      ['1, of "a"', 1, 1.5, 2],
      ['b', 8, 3],
    ],
  )
})

test('a file that was cut, or whose rounds are in another order, is refused', () => {
  const files = csv(results)
  const [head, first, second, ...others] = files.results.trim().split('\n')
  const read = (...lines: unknown[]) => resultsOf({ ...files, results: `${lines.join('\n')}\n` })
  assert.throws(
    () => read(head, first, second),
    /results.csv has 2 rounds of the part store, of 3 in runs.csv/,
  )
  assert.throws(() => read(head, second, ...others), /2 rounds of the part store, of 3/)
  assert.throws(() => read(head, second, first, ...others), /rounds of the part store in their order/)
})

test('a file that was cut within its last line is refused, and one with no number where there should be one', () => {
  const files = csv(results)
  assert.throws(() => resultsOf({ ...files, results: files.results.slice(0, -2) }), /results.csv was cut/)
  assert.throws(() => resultsOf({ ...files, runs: files.runs.slice(0, -8) }), /runs.csv was cut/)
  const damaged = files.results.replace(',1.5,', ',1,5,')
  assert.throws(() => resultsOf({ ...files, results: damaged }), /results.csv was cut: line 2/)
  assert.throws(
    () => resultsOf({ ...files, results: files.results.replace(',1.5,', ',1.S,') }),
    /1\.S as rate/,
  )
})

test('a part whose run is unknown is refused', () => {
  const files = csv(results)
  const runs = files.runs.split('\n').filter((line) => !line.startsWith('store,'))
  assert.throws(() => resultsOf({ ...files, runs: runs.join('\n') }), /part store that runs.csv lacks/)
})
