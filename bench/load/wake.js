// Calls back at a moment given to fractions of a millisecond, which Node's own timers are too coarse for:
// another thread sleeps until then and wakes this one. Neither spins. Knows nothing of what is timed.

import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'

/** Milliseconds of a clock that all threads and processes of a machine share. */
export const clock = () => Number(process.hrtime.bigint()) / 1e6

/**
 * @param {() => void} onWake
 * @returns a function that takes the moment to wake at, instead of any before; once the other thread is there
 */
export async function waker(onWake) {
  const state = new SharedArrayBuffer(16)
  const turns = new Int32Array(state, 0, 1)
  const due = new Float64Array(state, 8, 1)
  const thread = new Worker(new URL(import.meta.url), { workerData: state })
  await new Promise((resolve) => thread.once('online', () => resolve(undefined)))
  thread.on('message', onWake)
  thread.unref()
  return (/** @type {number} */ moment) => {
    due[0] = moment
    Atomics.add(turns, 0, 1)
    Atomics.notify(turns, 0)
  }
}

if (!isMainThread && workerData instanceof SharedArrayBuffer) {
  const turns = new Int32Array(workerData, 0, 1)
  const due = new Float64Array(workerData, 8, 1)
  for (let served = 0; ; ) {
    const turn = Atomics.load(turns, 0)
    const left = turn === served ? Number.POSITIVE_INFINITY : due[0] - clock()
    if (left > 0) Atomics.wait(turns, 0, turn, left)
    else {
      served = turn
      parentPort?.postMessage(undefined)
    }
  }
}
