// The clock and timers by which a queue waits, given from outside. Must not know which they are.

export interface Time {
  /** In ms, from an arbitrary start. Never goes back. */
  monotonicMs(): number
  startTimer(work: () => void, delayMs: number): NodeJS.Timeout
  stopTimer(timer: NodeJS.Timeout | undefined): void
  /** Runs the work after what the event loop has at hand. */
  soon(work: () => void): void
  /** Runs the work in no caller's async context. */
  inBackground<T>(work: () => T): T
}
