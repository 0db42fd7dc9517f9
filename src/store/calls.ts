// Which calls are accepted, and which of them are under way. Promises that none starts after the store was
// closed, and that closing waits for those that have started. Must not know what the calls do.

import { closed } from '../errors.ts'

export class Calls {
  readonly #onStart: () => void
  /** Those that `close` waits for, besides the operations in the queue. */
  readonly #underWay = new Set<Promise<unknown>>()
  #closing: Promise<void> | undefined

  /** @param onStart runs at the start of every call */
  constructor(onStart: () => void) {
    this.#onStart = onStart
  }

  /** At the start of every call. @throws StoreError STORE_CLOSED */
  start(): void {
    if (this.#closing !== undefined) throw closed()
    this.#onStart()
  }

  /** Lets `close` wait for a task. */
  async track<T>(task: Promise<T>): Promise<T> {
    this.#underWay.add(task)
    try {
      return await task
    } finally {
      this.#underWay.delete(task)
    }
  }

  /** Refuses further calls. @param end is called once, and gets those under way */
  close(end: (underWay: readonly Promise<unknown>[]) => Promise<void>): Promise<void> {
    this.#closing ??= end([...this.#underWay])
    return this.#closing
  }
}
