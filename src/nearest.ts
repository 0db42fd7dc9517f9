// Finds the known name that a misspelt one most likely stands for. Knows nothing of options.

export function nearest(name: string, known: readonly string[]): string | undefined {
  const distances = known.map((candidate) => ({
    candidate,
    edits: distance(name.toLowerCase(), candidate.toLowerCase()),
  }))
  return distances.sort((a, b) => a.edits - b.edits)[0]?.candidate
}

/** Levenshtein's edit distance, one row of its table at a time; what was left out counts half, as in an abbreviation. */
function distance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, i) => i / 2)
  for (const [i, char] of [...from].entries()) {
    const next = [i + 1]
    for (let j = 0; j < to.length; j++) {
      const replaced = row[j]! + (to[j] === char ? 0 : 1)
      next.push(Math.min(replaced, row[j + 1]! + 1, next[j]! + 0.5))
    }
    row = next
  }
  return row[to.length]!
}
