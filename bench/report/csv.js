// results.csv: every round of everything that was measured, as one table. It is all that is kept of a run, so
// that a part can be measured again where the others were not.

import { csvFormat, csvParse } from 'd3-dsv'

/** What is no number, though it may look like one. */
const TEXTS = new Set([
  'part',
  'store',
  'operation',
  'route',
  'date',
  'commit',
  'length',
  'PostgreSQL',
  'Redis',
])
/** What a round is about comes before what was measured, and of what run it is comes last. */
const FIRST = [
  'part',
  'store',
  'delayMs',
  'operation',
  'route',
  'concurrency',
  'arrivals',
  'processes',
  'round',
]
const LAST = ['date', 'commit', 'isDirty', 'length', 'PostgreSQL', 'Redis']

/** @param results of all parts */
export function csv(results) {
  const lines = Object.entries(results).flatMap(([part, { measured, versions, ...run }]) =>
    measured.flatMap(({ rounds, ...row }) =>
      rounds.map((values, i) => ({ part, ...row, round: i + 1, ...values, ...run, ...versions })),
    ),
  )
  const columns = new Set([...FIRST, ...lines.flatMap((line) => Object.keys(line))])
  for (const column of LAST) columns.delete(column)
  return `${csvFormat(lines, [...columns, ...LAST])}\n`
}

/** @returns the results of all parts that a file holds. What differs between rounds is the first's in a row. */
export function resultsOf(text) {
  const results = {}
  for (const line of csvParse(text.trim(), fields)) {
    const { part, round, date, commit, isDirty, length, PostgreSQL, Redis, ...values } = line
    results[part] ??= { measured: [], date, commit, isDirty, length, versions: { PostgreSQL, Redis } }
    if (round === 1) results[part].measured.push({ ...values, rounds: [] })
    results[part].measured.at(-1).rounds.push(values)
  }
  return results
}

const fields = (line) =>
  Object.fromEntries(Object.entries(line).map(([name, text]) => [name, field(name, text)]))

function field(name, text) {
  if (text === '') return undefined
  if (TEXTS.has(name)) return text
  return text === 'true' || text === 'false' ? text === 'true' : Number(text)
}
