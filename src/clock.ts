// The time by which the store waits, and its timers. Promises that neither a clock that is set nor a test's fake clock
// reaches them, and that what a timer starts belongs to no request. Must not know what is waited for.
// When a session expires is another matter: that is told by the wall clock, `Date`.

import { AsyncResource } from 'node:async_hooks'
import { performance } from 'node:perf_hooks'
import { clearTimeout, setImmediate, setTimeout } from 'node:timers'

// Held from the start: tests replace those of the process by ones that stand still.
const real = { clearTimeout, setImmediate, setTimeout, now: performance.now.bind(performance) }

// A timer or socket keeps the async context in which it was made, with all that the context holds: that of the request
// which happened to come first. This one holds nothing.
const ofTheProcess = new AsyncResource('connect-postgres-simple')
// It was made with the module, which may have been loaded in the middle of a request: what Node keeps of that one is taken
// out. Node 20 and 22 have a property for each AsyncLocalStorage, Node 24 and 26 one for all.
for (const key of Object.getOwnPropertySymbols(ofTheProcess)) {
  if (/kResourceStore|context_?frame/i.test(String(key.description)))
    Reflect.set(ofTheProcess, key, undefined)
}

/** In ms, from an arbitrary start. Never goes back, and stands still for no test. */
export function monotonicMs(): number {
  return real.now()
}

/** Runs the work in the async context of the process instead of the caller's. */
export function inBackground<T>(work: () => T): T {
  return ofTheProcess.runInAsyncScope(work)
}

/** @param work runs in the async context of the process */
export function startTimer(work: () => void, delayMs: number): NodeJS.Timeout {
  return ofTheProcess.runInAsyncScope(real.setTimeout, undefined, work, delayMs) as NodeJS.Timeout
}

export function stopTimer(timer: NodeJS.Timeout | undefined): void {
  real.clearTimeout(timer)
}

/** @param work runs after what the event loop has at hand, in the async context of the process */
export function soon(work: () => void): void {
  ofTheProcess.runInAsyncScope(real.setImmediate, undefined, work)
}

export function pause(delayMs: number): Promise<void> {
  return new Promise((resume) => startTimer(resume, delayMs))
}

/**
 * For the driver, which uses the process's `setTimeout`.
 * @param work is over when it returns, so that nobody else notices
 */
export function withRealTimers(work: () => void): void {
  const found = globalThis.setTimeout
  // Frozen globals cannot be assigned to, and are never replaced.
  if (found !== real.setTimeout) globalThis.setTimeout = real.setTimeout
  try {
    work()
  } finally {
    if (found !== real.setTimeout) globalThis.setTimeout = found
  }
}
