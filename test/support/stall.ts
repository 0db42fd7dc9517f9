// Tells a machine that stands still from work that does. Knows nothing of the work.

import { Worker } from 'node:worker_threads'

const INTERVAL_MS = 20
/** How often work is done at most. */
const ATTEMPTS = 3

/** Keeps, in ms, by how much it was woken too late at worst, when it was woken last, and all that it was late. */
const THREAD = `
  const { parentPort, workerData: { shared, intervalMs } } = require('node:worker_threads')
  const times = new Float64Array(shared)
  times[1] = Date.now()
  const timer = setInterval(() => {
    const now = Date.now()
    const late = now - times[1] - intervalMs
    times[0] = Math.max(times[0], late)
    if (late > intervalMs) times[2] += late
    times[1] = now
  }, intervalMs)
  parentPort.once('message', () => clearInterval(timer))`

export interface Watch {
  /** For how long the machine stood still at worst, in ms, since the last time that this was asked. */
  stalledMs(): number
  /** For how long it stood still in all. */
  readonly totalMs: number
  end(): Promise<unknown>
}

/**
 * Watches from a thread of its own that only looks at the clock: what blocks the event loop of this process
 * does not delay it, what takes the processor away does.
 */
export async function watchMachine(): Promise<Watch> {
  const shared = new SharedArrayBuffer(24)
  const times = new Float64Array(shared)
  const thread = new Worker(THREAD, { eval: true, workerData: { shared, intervalMs: INTERVAL_MS } })
  await new Promise((resolve) => thread.once('online', resolve))
  thread.unref()
  return {
    stalledMs() {
      const [worst = 0, last = 0] = times
      times[0] = 0
      return Math.max(worst, last && Date.now() - last - INTERVAL_MS)
    },
    get totalMs() {
      return times[2] ?? 0
    },
    // By itself: a process that ended with the thread at work stood still at times (Node 20.20).
    end: () =>
      new Promise((resolve) => {
        thread.ref()
        thread.once('exit', resolve)
        thread.postMessage('end')
      }),
  }
}

/**
 * Does work that has to be done in time. Where it fails while the machine stood still for at least so long,
 * nothing is known of the work: it is done again, at most twice, and the output says so.
 * @param stalledMs for how long the machine has stood still since the last time that this was asked
 */
export async function againIfStalled<T>(
  toleratedMs: number,
  stalledMs: () => number | Promise<number>,
  work: () => Promise<T>,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    await stalledMs()
    try {
      return await work()
    } catch (error) {
      const stalled = Math.round(await stalledMs())
      if (stalled < toleratedMs || attempt === ATTEMPTS) throw error
      console.log(`Repeated: the machine stood still for ${stalled} ms: ${(error as Error).message}`)
    }
  }
}
