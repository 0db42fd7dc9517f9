// One timer for the deadlines of all callers. A timer per caller would be up to 100,000 timers a second, of
// which almost none ever fires. Must not know who the callers are.

import type { Time } from './time.ts'

export class Deadlines {
  readonly #time: Time
  readonly #sweep: (now: number) => number
  readonly #precisionMs: number
  #timer: NodeJS.Timeout | undefined
  /** When the timer fires. */
  #due = 0

  /**
   * @param sweep gets the time in ms of the monotonic clock, handles the deadlines that have passed, and
   *   returns the next one, or Infinity if there is none
   * @param precisionMs how late a sweep may come; deadlines closer together than this share one sweep
   */
  constructor(time: Time, sweep: (now: number) => number, precisionMs: number) {
    this.#time = time
    this.#sweep = sweep
    this.#precisionMs = precisionMs
  }

  /** @param until in ms of the monotonic clock */
  add(until: number): void {
    const { monotonicMs, soon, startTimer, stopTimer } = this.#time
    if (this.#timer && this.#due <= until) return
    stopTimer(this.#timer)
    this.#due = until
    const sweep = () => {
      this.#timer = undefined
      const next = this.#sweep(monotonicMs())
      if (next < Number.POSITIVE_INFINITY) this.add(next)
    }
    const delayMs = Math.max(until - monotonicMs(), this.#precisionMs)
    // `soon` lets answers that have already arrived be read first. After something has blocked the event
    // loop, Node runs timers before it reads sockets, and those answers would be reported as late.
    this.#timer = startTimer(() => soon(sweep), delayMs).unref()
  }
}
