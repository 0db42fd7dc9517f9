// One caller that waits for an answer. Promises to answer it in the async context in which it asked.
// Must not know what it waits for.

import { AsyncResource } from 'node:async_hooks'

export class Caller<Answer> extends AsyncResource {
  readonly #resolve: (answer: Answer) => void
  readonly #reject: (error: unknown) => void
  /** When it stops waiting, in ms of the monotonic clock. */
  readonly until: number

  constructor(resolve: (answer: Answer) => void, reject: (error: unknown) => void, until: number) {
    // Without this option Node watches for the garbage collection of each resource, for a hook that nobody has here.
    super('connect-postgres-simple', { requireManualDestroy: true })
    this.#resolve = resolve
    this.#reject = reject
    this.until = until
  }

  resolve(answer: Answer): void {
    this.runInAsyncScope(this.#resolve, undefined, answer)
  }

  reject(error: unknown): void {
    this.runInAsyncScope(this.#reject, undefined, error)
  }
}
