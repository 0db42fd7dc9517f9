// All that is kept of what was measured, as two tables, so that a part can be measured again where the others
// were not: results.csv has every round, and runs.csv, for each part, when, where and of what it was measured.

import { csvFormat, csvParseRows } from 'd3-dsv'

/** What is no number, though it may look like one. Of a run all is, versions too, but for a few. */
const TEXTS = new Set(['part', 'store', 'operation', 'route'])
const NO_TEXTS_OF_RUN = new Set(['rounds', 'cores', 'isDirty', 'isHuge'])
/** What a round is about comes before what was measured. */
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

/** @param results of all parts @returns {{ results: string, runs: string }} */
export function csv(results) {
  const parts = Object.entries(results)
  const lines = parts.flatMap(([part, { measured }]) =>
    measured.flatMap(({ rounds, ...row }) =>
      rounds.map((values, i) => ({ part, ...row, round: i + 1, ...values })),
    ),
  )
  const runs = parts.map(([part, { measured, versions, ...run }]) => {
    const rounds = measured.reduce((sum, row) => sum + row.rounds.length, 0)
    return { part, rounds, ...run, ...versions }
  })
  return { results: table(FIRST, lines), runs: table([], runs) }
}

/**
 * @param {{ results: string, runs: string }} files
 * @returns the results of all parts. What differs between rounds is the first's in a row.
 */
export function resultsOf(files) {
  const lines = parsed('results.csv', files.results, (name) => TEXTS.has(name))
  const runs = parsed('runs.csv', files.runs, (name) => !NO_TEXTS_OF_RUN.has(name))
  const known = new Set(runs.map(({ part }) => part))
  const stray = lines.find(({ part }) => !known.has(part))
  if (stray) throw new Error(`results.csv has a part ${stray.part} that runs.csv lacks`)
  return Object.fromEntries(
    runs.map(({ part, rounds, date, commit, isDirty, length, isHuge, cores, cpu, ...versions }) => {
      const own = lines.filter((line) => line.part === part)
      if (own.length !== rounds)
        throw new Error(`results.csv has ${own.length} rounds of the part ${part}, of ${rounds} in runs.csv`)
      const measured = []
      for (const { part: _, round, ...values } of own) {
        if (round === 1) measured.push({ ...values, rounds: [] })
        if (measured.at(-1)?.rounds.push(values) !== round)
          throw new Error(`results.csv does not have the rounds of the part ${part} in their order`)
      }
      return [part, { measured, date, commit, isDirty, length, isHuge, cores, cpu, versions }]
    }),
  )
}

function table(first, lines) {
  const columns = new Set([...first, ...lines.flatMap((line) => Object.keys(line))])
  return `${csvFormat(lines, [...columns])}\n`
}

/** @throws Error for a table that was cut, or has something else where a number is */
function parsed(file, text, isText) {
  const [columns, ...lines] = csvParseRows(text.trimEnd())
  const fieldOf = (name, field) => {
    if (field === '') return undefined
    if (isText(name)) return field
    if (field === 'true' || field === 'false') return field === 'true'
    if (Number.isNaN(Number(field))) throw new Error(`${file} has ${field} as ${name}`)
    return Number(field)
  }
  return lines.map((line, i) => {
    if (line.length !== columns.length || !text.endsWith('\n'))
      throw new Error(`${file} was cut: line ${i + 2} has ${line.length} fields of ${columns.length}`)
    return Object.fromEntries(columns.map((name, j) => [name, fieldOf(name, line[j])]))
  })
}
