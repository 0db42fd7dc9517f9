// What is counted, beside what was accepted. Pure.

const MOST = 0.05

/**
 * @typedef {{ node: string, cases: Record<string, Record<string, number>> }} Counted
 * @param {Counted} accepted
 * @param {Counted} counted
 */
export function compare(accepted, counted) {
  const changes = []
  const notes = []
  const isSameNode = accepted.node === counted.node
  if (!isSameNode)
    notes.push(
      `Allocated bytes are not compared: accepted on Node ${accepted.node}, counted on ${counted.node}.`,
    )
  for (const name of new Set([...Object.keys(accepted.cases), ...Object.keys(counted.cases)])) {
    const [before, now] = [accepted.cases[name] ?? {}, counted.cases[name] ?? {}]
    for (const count of new Set([...Object.keys(before), ...Object.keys(now)])) {
      if (count === 'allocatedBytes' && !isSameNode) continue
      const change = now[count] / before[count] - 1
      // Not a number, too, if one of both is missing.
      if (Math.abs(change) <= MOST + Number.EPSILON || before[count] === now[count]) continue
      changes.push(`${name}: ${count} ${before[count]} → ${now[count]}, ${percent(change)} (at most ±5 %)`)
    }
  }
  return { changes, notes }
}

const percent = (change) => `${change > 0 ? '+' : ''}${(change * 100).toFixed(1)} %`
