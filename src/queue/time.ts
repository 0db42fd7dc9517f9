// The clock and the timers that the queue needs, as an interface: the caller passes an implementation in.
// Must not know which one it is.

export interface Time {
  /** In ms, from an arbitrary start. Never goes back. */
  monotonicMs(): number
  startTimer(work: () => void, delayMs: number): NodeJS.Timeout
  stopTimer(timer: NodeJS.Timeout | undefined): void
  /** Runs the work once the event loop has handled the events that it has already received. */
  soon(work: () => void): void
  /** Runs the work outside the async context of any caller. */
  inBackground<T>(work: () => T): T
}
