// One caller that waits for an answer. Must not know what it waits for.

import { AsyncResource } from 'node:async_hooks'

/** Gets the number of keys that are sent together. */
export type OnSent = (batchSize: number) => void

export interface Caller<Op, Answer> {
  /**
   * What it asked for; undefined while that is a promise. Its job may have more to do, for other callers
   * too.
   */
  op: Op | undefined
  /** When it stops waiting, in ms of the monotonic clock. */
  readonly until: number
  /** Is called each time its operation is sent. */
  readonly onSent: OnSent | undefined
  resolve(answer: Answer): void
  reject(error: unknown): void
}

/**
 * A caller that gave callbacks. They are called in the async context in which it asked. A caller that waits
 * for a promise needs no such thing: what follows the promise goes on in its context by itself.
 */
export class CallbackCaller<Op, Answer> extends AsyncResource implements Caller<Op, Answer> {
  op: Op | undefined
  readonly until: number
  readonly onSent: OnSent | undefined
  readonly #resolve: (answer: Answer) => void
  readonly #reject: (error: unknown) => void

  constructor(
    resolve: (answer: Answer) => void,
    reject: (error: unknown) => void,
    until: number,
    onSent: OnSent | undefined,
  ) {
    // Destroyed when it has been answered, so Node need not watch for its garbage collection.
    super('connect-postgres-simple', { requireManualDestroy: true })
    this.#resolve = resolve
    this.#reject = reject
    this.until = until
    this.onSent = onSent
  }

  resolve(answer: Answer): void {
    this.runInAsyncScope(this.#resolve, undefined, answer)
    this.emitDestroy()
  }

  reject(error: unknown): void {
    this.runInAsyncScope(this.#reject, undefined, error)
    this.emitDestroy()
  }
}
