// How figures are shown: medians of rounds with their spread, ratios, tables. Knows nothing of what was measured.

export const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1]

/** The median of one field over the rounds of a row. */
export const of = (row, field) => median(row.rounds.map((round) => round[field]))

/** Absent where the machine does not tell, or where nothing was done in the time. */
export function number(value) {
  if (!Number.isFinite(value)) return '–'
  return value >= 100 ? Math.round(value).toLocaleString('en') : value.toPrecision(2)
}

export const spread = (row, field) => {
  const values = row.rounds.map((round) => round[field])
  return `${number(median(values))} (${number(Math.min(...values))}–${number(Math.max(...values))})`
}

/** Nothing where one of both is missing. */
export const ratio = (ours, theirs, digits = 1) =>
  ours && theirs ? `${(ours / theirs).toFixed(digits)}×` : '–'

export function table(head, rows) {
  const line = (cells) => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)]
}
