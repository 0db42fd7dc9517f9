// The monotonic clock and the timers of the store. Promises that a changed system clock and a test's fake
// timers have no effect on them, and that a timer's work runs in no request's async context. Must not know
// what is waited for. `now()` is the one exception: it reads the wall clock, which decides when sessions
// expire.

import { AsyncResource } from 'node:async_hooks'
import { performance } from 'node:perf_hooks'
import { clearImmediate, clearTimeout, setImmediate, setTimeout } from 'node:timers'

type RealTimers = Pick<typeof globalThis, 'setTimeout' | 'clearTimeout' | 'setImmediate' | 'clearImmediate'>

/** Captured when the module loads: tests replace the global ones by fakes that stand still. */
export const realTimers: RealTimers = { setTimeout, clearTimeout, setImmediate, clearImmediate }
const realNow = performance.now.bind(performance)

// A timer or socket keeps the async context in which it was made, and everything in that context, which would
// be the request that happened to come first. The context of this resource is empty.
// It counts as destroyed from the start, as tools that look for what is left open would find it for ever.
const background = new AsyncResource('connect-postgres-simple', { requireManualDestroy: true }).emitDestroy()
// The module may have been loaded in the middle of a request, so what Node stored of that request is removed.
// Node 20 and 22 store a property for each AsyncLocalStorage, Node 24 and 26 one for all of them.
for (const key of Object.getOwnPropertySymbols(background)) {
  if (/kResourceStore|context_?frame/i.test(String(key.description))) Reflect.set(background, key, undefined)
}

/** The longest delay of a timer. Node turns a longer one into 1 ms, which would be a busy loop. */
export const MAX_DELAY_MS = 2_147_483_647

/** In ms, from an arbitrary start. Never goes back, and no fake timers stop it. */
export function monotonicMs(): number {
  return realNow()
}

/** Runs the work outside the async context of any request. */
export function inBackground<T>(work: () => T): T {
  return background.runInAsyncScope(work)
}

/** @param work runs outside the async context of any request */
export function startTimer(work: () => void, delayMs: number): NodeJS.Timeout {
  return background.runInAsyncScope(realTimers.setTimeout, undefined, work, delayMs) as NodeJS.Timeout
}

export function stopTimer(timer: NodeJS.Timeout | undefined): void {
  realTimers.clearTimeout(timer)
}

/**
 * @param work runs once the event loop has handled what it has already received, outside any request's
 *   context
 */
export function soon(work: () => void): void {
  background.runInAsyncScope(realTimers.setImmediate, undefined, work)
}

export function pause(delayMs: number): Promise<void> {
  return new Promise((resume) => startTimer(resume, delayMs))
}

/** The wall clock, which decides expiry: seconds since 1970, rounded up as connect-pg-simple does. */
export function now(): number {
  return Math.ceil(Date.now() / 1000)
}
