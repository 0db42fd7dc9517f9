// One timer for the deadlines of all callers, instead of one each: there can be 100,000 a second, and hardly one is ever
// missed. Must not know who they are.

export class Deadlines {
  readonly #sweep: (now: number) => number
  readonly #precisionMs: number
  #timer: NodeJS.Timeout | undefined
  #due = 0

  /**
   * @param sweep told the time in ms since 1970, deals with who is late, and gives the next deadline or Infinity
   * @param precisionMs how late it may come: deadlines that close to each other are dealt with together
   */
  constructor(sweep: (now: number) => number, precisionMs: number) {
    this.#sweep = sweep
    this.#precisionMs = precisionMs
  }

  add(until: number): void {
    if (this.#timer && this.#due <= until) return
    clearTimeout(this.#timer)
    this.#due = until
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined
        const next = this.#sweep(Date.now())
        if (next < Number.POSITIVE_INFINITY) this.add(next)
      },
      Math.max(until - Date.now(), this.#precisionMs),
    ).unref()
  }
}
