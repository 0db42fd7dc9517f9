// Loaded first in every process of a test, with plain Node. Promises that a run with the same mistake takes
// the same course: chance is replaced by a fixed sequence. Tells Stryker's code in src/ which mistake to
// make, and writes down what was reached. Must not know the tests.

import { mkdirSync, writeFileSync } from 'node:fs'

const { MUTATION_COVERAGE: folder, MUTATION_HIT_LIMIT: hitLimit } = process.env

// By the names that Stryker's code looks for. It takes the mistake itself from the environment.
globalThis.__stryker__ = hitLimit ? { hitCount: 0, hitLimit: Number(hitLimit) } : {}

// Where fast-check keeps what `configureGlobal` is given. To import it would take longer than most tests.
globalThis[Symbol.for('fast-check/GlobalParameters')] = { seed: 4 }

let state = 4
/** Mulberry32. */
Math.random = () => {
  state = (state + 0x6d2b79f5) | 0
  let t = Math.imul(state ^ (state >>> 15), 1 | state)
  t ^= t + Math.imul(t ^ (t >>> 7), 61 | t)
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
}

// The time limits of tests hold no process: where a mistake lets a test wait for what never comes, and nothing
// else is to happen, the process ends at once.
const { setTimeout: realTimeout } = globalThis
globalThis.setTimeout = (work, ms, ...given) => {
  const timer = realTimeout(work, ms, ...given)
  return ms >= 60_000 ? timer.unref() : timer
}

if (folder) {
  process.on('exit', () => {
    const hits = globalThis.__stryker__.mutantCoverage?.static ?? {}
    mkdirSync(folder, { recursive: true })
    writeFileSync(`${folder}/${process.pid}.json`, JSON.stringify(hits))
  })
}
