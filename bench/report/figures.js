// How figures are compared and shown: medians of rounds with their spread, ratios, tables. Knows nothing of
// what was measured.

/** Of an even number of values the mean of the two in the middle. */
export function median(values) {
  const sorted = values.toSorted((a, b) => a - b)
  return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2
}

/** The first row that has all these fields. */
export const find = (rows, where) =>
  rows.find((row) => Object.entries(where).every(([key, value]) => row[key] === value))

const valuesOf = (row, field) => row?.rounds.map((round) => round[field]).filter(Number.isFinite) ?? []

/** The median of one field over the rounds of a row, if it was measured. */
export function of(row, field) {
  const values = valuesOf(row, field)
  return values.length > 0 ? median(values) : undefined
}

/** The lowest and the highest of a row's rounds. */
export const rangeOf = (row, field) => [Math.min(...valuesOf(row, field)), Math.max(...valuesOf(row, field))]

/** The median of the ratios of each round, as both took their turns in it. */
export function ratio(ours, theirs, field) {
  const [a, b] = [valuesOf(ours, field), valuesOf(theirs, field)]
  const ratios = a.slice(0, b.length).map((value, i) => value / b[i])
  return ratios.length > 0 ? median(ratios) : undefined
}

/** A dash where nothing was measured. */
export function number(value) {
  if (!Number.isFinite(value)) return '–'
  return value >= 100 ? Math.round(value).toLocaleString('en') : String(Number(value.toPrecision(2)))
}

/** @returns the median, and in brackets the lowest and the highest of several rounds */
export function spread(row, field) {
  const values = valuesOf(row, field)
  if (values.length === 0) return '–'
  const [low, high] = rangeOf(row, field)
  return values.length > 1 ? `${number(median(values))} (${number(low)}–${number(high)})` : number(values[0])
}

export const times = (value) => (value === undefined ? '–' : `${value.toFixed(value < 10 ? 2 : 1)}×`)

/** Of Markdown. */
export function table(head, rows) {
  const line = (cells) => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)]
}
