// A test is a promise in a sentence. Adds to uvu what it lacks: a time limit for each, and no `run()` to forget.

import { suite } from 'uvu'

type Test = () => void | Promise<void>

/** @returns a function that takes the promise, what shows it, and the seconds that may take */
export function promises(name: string): (promise: string, show: Test, limit?: { seconds: number }) => void {
  const test = suite(name)
  let queued = false
  return (promise, show, { seconds } = { seconds: 30 }) => {
    test(promise, () => within<void>(seconds, show))
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
