// One caller that waits for an answer. Promises to answer it in the async context in which it asked.
// Must not know what it waits for.

import { AsyncResource } from 'node:async_hooks'

export class Caller<Answer> extends AsyncResource {
  readonly #resolve: (answer: Answer) => void
  readonly #reject: (error: unknown) => void
  /** When it stops waiting, in ms of the monotonic clock. */
  readonly until: number

  constructor(resolve: (answer: Answer) => void, reject: (error: unknown) => void, until: number) {
    // Without this option Node registers each resource for a hook on its garbage collection, which was
    // measured to cost more than everything else the queue does for a caller (Node 20.20).
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
