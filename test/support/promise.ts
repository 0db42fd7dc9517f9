// A test is a promise in a sentence. Adds to uvu what it lacks: a time limit for each, a reason for what is
// skipped, and no `run()` to forget.

import { inspect } from 'node:util'
import { suite } from 'uvu'

/** Of the tests so far. uvu prints them at the end, which does not come if something escapes from a test. */
const failures: string[] = []
process.on('uncaughtExceptionMonitor', () => {
  for (const failure of failures) console.error(failure)
})

// So that what the tests have started ends with them, and its files are removed.
// Ctrl-C arrives more than once where npm passes it on, and by default the second one would end this in the
// middle.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => process.exit(130))

type Test = () => void | Promise<void>

interface Limits {
  seconds?: number
  /** Why the test cannot be run here, if it cannot. The runner counts and prints it. */
  skip?: string | undefined
}

/**
 * @returns a function that takes the promise and what shows it
 * @throws when it takes the same promise twice: who reads of a failure must know which it was
 */
export function promises(name: string): (promise: string, show: Test, limits?: Limits) => void {
  const test = suite(name)
  const taken = new Set<string>()
  let queued = false
  return (promise, show, { seconds = 60, skip } = {}) => {
    if (taken.has(promise)) throw new Error(`Two tests of ${name} have the title: ${promise}`)
    taken.add(promise)
    const shown = async () => {
      try {
        await within<void>(seconds, show)
      } catch (thrown) {
        // Of anything else uvu would tell nothing, and leave out the tests after it.
        const isError = thrown instanceof Error && Boolean(thrown.name && thrown.stack)
        const error = isError ? thrown : new Error(`threw ${inspect(thrown)}`)
        failures.push(`✘ ${promise}\n${inspect(error)}`)
        throw error
      }
    }
    if (skip === undefined) test(promise, shown)
    else {
      test.skip()
      console.log(`Skipped: ${promise}: ${skip}`)
    }
    if (queued) return
    queued = true
    // When the file, or its part up to the next `await`, has been read.
    queueMicrotask(() => {
      queued = false
      test.run()
    })
  }
}

export async function within<T>(seconds: number, show: () => T | Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`did not end within ${seconds} seconds`)), seconds * 1000)
  })
  try {
    return await Promise.race([show(), late])
  } finally {
    clearTimeout(timer)
  }
}
