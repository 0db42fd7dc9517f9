// Whether connections that look open can be dead, as those from before an outage are. Promises to doubt them
// only after silence, and not for long. Must not know the connections.

import { monotonicMs } from '../clock.ts'

export class Liveness {
  readonly #doubtMs: number
  /** How many statements in a row got no answer on a connection that was open. */
  #silences = 0
  #silentAt = Number.NEGATIVE_INFINITY

  /** @param timeoutMs how long a statement waits for its answer, at most */
  constructor(timeoutMs: number) {
    // The next statement waits as long once more, for a login.
    this.#doubtMs = 2 * timeoutMs
  }

  answered(): void {
    this.#silences = 0
    this.#silentAt = Number.NEGATIVE_INFINITY
  }

  silent(): void {
    this.#silences++
    this.#silentAt = monotonicMs()
  }

  /**
   * One statement can wait for a lock, so it takes two, or one and a login.
   * @param isSilent whether a login gets no answer either
   */
  isDoubtful(isSilent: boolean): boolean {
    const isRecent = monotonicMs() - this.#silentAt < this.#doubtMs
    return isRecent && (isSilent || this.#silences > 1)
  }
}
