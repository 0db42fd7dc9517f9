// Every round of everything that was measured, as one table.

import { csvFormat } from 'd3-dsv'

/** @param results of all parts */
export function csv(results) {
  const lines = Object.entries(results).flatMap(([part, { measured, date, commit, length }]) =>
    (measured.rows ?? measured).flatMap(({ rounds, heap, ...row }) =>
      (rounds ?? heap.map((bytes) => ({ heapBytes: bytes }))).map((values, round) => ({
        part,
        ...row,
        round: round + 1,
        ...values,
        ...{ date, commit, length },
      })),
    ),
  )
  // What it is about first, then what was measured.
  const first = ['part', 'store', 'delayMs', 'operation', 'route', 'concurrency', 'arrivals', 'processes']
  const columns = [...new Set([...first, ...lines.flatMap((line) => Object.keys(line))])]
  const last = ['date', 'commit', 'length']
  const sorted = [...columns.filter((column) => !last.includes(column)), ...last]
  return `${csvFormat(lines, sorted)}\n`
}
