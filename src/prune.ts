// When to prune, and for how long. A timer starts with the store's first use, keeps no process alive, never overlaps
// itself, and starts again when the last prune has ended. Is given what deletes a batch; must not know how.

import type { Settings } from './options.ts'

export interface Pruned {
  readonly count: number
  /** How far it got: where the next batch goes on. */
  readonly last: string
}

/** Deletes up to `limit` expired rows, in the order of their expiry, from where another got, or from the first. */
export type DeleteBatch = (limit: number, from: string) => Promise<Pruned>

type PruneSettings = Pick<Settings, 'pruneSessionInterval' | 'pruneSessionRandomizedInterval' | 'errorLog'>

export class Pruner {
  readonly #settings: PruneSettings
  readonly #deleteBatch: DeleteBatch
  readonly #batchSize: number
  #timer: NodeJS.Timeout | undefined
  #running: Promise<number> | undefined
  #stopped = false

  constructor(settings: PruneSettings, deleteBatch: DeleteBatch, batchSize = 1000) {
    this.#settings = settings
    this.#deleteBatch = deleteBatch
    this.#batchSize = batchSize
  }

  /** Starts the timer. May be called at every use: does nothing while it runs. */
  start(): void {
    const seconds = this.#settings.pruneSessionInterval
    if (this.#timer || this.#running !== undefined || this.#stopped || seconds === false) return
    this.#timer = setTimeout(
      () => {
        this.prune().catch((error) => this.#settings.errorLog('Failed to prune sessions', error))
      },
      this.#delayMs(seconds * 1000),
    ).unref()
  }

  /** For good. A prune that is running ends with its batch. */
  stop(): void {
    this.#stopped = true
    clearTimeout(this.#timer)
  }

  /** Deletes batches until one is not full. Who calls meanwhile gets the same. Resolves with the number of rows deleted. */
  prune(): Promise<number> {
    this.#running ??= this.#batches().finally(() => {
      this.#running = undefined
      // The interval counts from the last prune, also from one that was called for by hand.
      clearTimeout(this.#timer)
      this.#timer = undefined
      this.start()
    })
    return this.#running
  }

  async #batches(): Promise<number> {
    for (let total = 0, from = ''; ; ) {
      const { count, last } = await this.#deleteBatch(this.#batchSize, from)
      total += count
      // Until they are vacuumed, the index still leads to the rows deleted so far: each batch would walk over them all.
      from = last
      if (count < this.#batchSize || this.#stopped) return total
    }
  }

  #delayMs(intervalMs: number): number {
    try {
      const delay = this.#settings.pruneSessionRandomizedInterval(intervalMs)
      // What setTimeout cannot do it does at once, and again at once: a busy loop of deletes.
      if (delay >= 0 && delay <= 2_147_483_647) return delay
      throw new RangeError(`Expected milliseconds from 0 to 2147483647, got ${delay}`)
    } catch (error) {
      this.#settings.errorLog(
        '`pruneSessionRandomizedInterval` failed, the interval is taken as it is',
        error,
      )
      return intervalMs
    }
  }
}
