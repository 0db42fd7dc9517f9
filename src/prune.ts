// When to prune, and for how long. A timer starts with the store's first use, keeps no process alive, never overlaps
// itself, and starts again when the last prune has ended. Is given what deletes a batch; must not know how.

import { inBackground, startTimer, stopTimer } from './clock.ts'
import type { Settings } from './options.ts'

/** What deletes expired rows, a batch at a time. */
export interface Deletes {
  /** Up to `limit` in the order of their expiry, from where another got (`last`), or from the first. */
  oldest(limit: number, from: string): Promise<{ readonly count: number; readonly last: string }>
  /**
   * Those on the pages of the table from one up to another. `pages`: how many it has; 0 where it cannot be read so.
   * `mine`: false if somebody else is at it.
   */
  onPages(
    from: number,
    upTo: number,
  ): Promise<{ readonly count: number; readonly mine: boolean; readonly pages: number }>
}

// So many at a time, of 8 KB each.
const PAGES = 200

type PruneSettings = Pick<Settings, 'pruneSessionInterval' | 'pruneSessionRandomizedInterval' | 'errorLog'>

export class Pruner {
  readonly #settings: PruneSettings
  readonly #deletes: Deletes
  readonly #batchSize: number
  #timer: NodeJS.Timeout | undefined
  #running: Promise<number> | undefined
  #stopped = false

  constructor(settings: PruneSettings, deletes: Deletes, batchSize = 1000) {
    this.#settings = settings
    this.#deletes = deletes
    this.#batchSize = batchSize
  }

  /** Starts the timer. May be called at every use: does nothing while it runs. */
  start(): void {
    const seconds = this.#settings.pruneSessionInterval
    if (this.#timer || this.#running !== undefined || this.#stopped || seconds === false) return
    this.#timer = startTimer(
      () => {
        this.prune().catch((error) => this.#settings.errorLog('Failed to prune sessions', error))
      },
      this.#delayMs(seconds * 1000),
    ).unref()
  }

  /** For good. A prune that is running ends with its batch. */
  stop(): void {
    this.#stopped = true
    stopTimer(this.#timer)
  }

  /** Deletes batches until none is left. Who calls meanwhile gets the same. Resolves with the number of rows deleted. */
  prune(): Promise<number> {
    this.#running ??= this.#batches().finally(() => {
      this.#running = undefined
      // The interval counts from the last prune, also from one that was called for by hand.
      stopTimer(this.#timer)
      this.#timer = undefined
      this.start()
    })
    return this.#running
  }

  /**
   * By expiry: that finds the few rows which expired in the last minute. Of many each stands on another page of the table,
   * and each page is visited again and again: where nearly every page has one, page by page is several times as fast. Which
   * it is shows by trying.
   */
  async #batches(): Promise<number> {
    let total = 0
    for (let from = '', page = 0; ; ) {
      const { count, last } = await this.#deletes.oldest(this.#batchSize, from)
      total += count
      if (count < this.#batchSize || this.#stopped) return total
      // Until they are vacuumed, the index still leads to the rows deleted so far: each batch would walk over them all.
      from = last
      const walk = await this.#walk(page)
      total += walk.count
      if (walk.ended) return total
      page = walk.page
    }
  }

  /** From a page on, while nearly every page has a row to delete. Says where to go on. */
  async #walk(page: number): Promise<{ count: number; page: number; ended: boolean }> {
    for (let total = 0; ; ) {
      const { count, mine, pages } = await this.#deletes.onPages(page, page + PAGES)
      if (pages === 0) return { count: 0, page, ended: false }
      total += count
      page += PAGES
      // After the last page none is left, but what others hold.
      const ended = !mine || page >= pages || this.#stopped
      if (ended || count < PAGES) return { count: total, page, ended }
    }
  }

  #delayMs(intervalMs: number): number {
    try {
      const delay = inBackground(() => this.#settings.pruneSessionRandomizedInterval(intervalMs))
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
