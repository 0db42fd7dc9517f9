// One timer for the deadlines of all callers, instead of one each: there can be 100,000 a second, and hardly one is ever
// missed. Must not know who they are.

import type { Time } from './time.ts'

export class Deadlines {
  readonly #time: Time
  readonly #sweep: (now: number) => number
  readonly #precisionMs: number
  #timer: NodeJS.Timeout | undefined
  #due = 0

  /**
   * @param sweep told the time in ms of the monotonic clock, deals with who is late, and gives the next deadline or Infinity
   * @param precisionMs how late it may come: deadlines that close to each other are dealt with together
   */
  constructor(time: Time, sweep: (now: number) => number, precisionMs: number) {
    this.#time = time
    this.#sweep = sweep
    this.#precisionMs = precisionMs
  }

  add(until: number): void {
    const { monotonicMs, soon, startTimer, stopTimer } = this.#time
    if (this.#timer && this.#due <= until) return
    stopTimer(this.#timer)
    this.#due = until
    const meet = () => {
      this.#timer = undefined
      const next = this.#sweep(monotonicMs())
      if (next < Number.POSITIVE_INFINITY) this.add(next)
    }
    // Not at once: where something else kept the event loop from running, the timers come before the answers that have
    // arrived meanwhile.
    const delayMs = Math.max(until - monotonicMs(), this.#precisionMs)
    this.#timer = startTimer(() => soon(meet), delayMs).unref()
  }
}
