// When to prune, and for how long. A timer starts with the store's first use, keeps no process alive, never overlaps
// itself, and starts again when the last prune has ended. Is given what deletes a batch; must not know how.

import { inBackground, startTimer, stopTimer } from './clock.ts'
import { kept } from './errors.ts'
import type { Settings } from './options.ts'

/** Where to go on among the expired rows in the order of their expiry. */
export interface Place {
  /** An expiry, or nothing for the first. */
  readonly from: string
  /** How many rows from there on are known to stay. */
  readonly skip: number
}

/** What deletes expired rows, a batch at a time. */
export interface Deletes {
  /**
   * Up to `limit` in the order of their expiry. Fewer are deleted than found where a trigger keeps some; one
   * that the database refuses to delete, as for a foreign key, keeps them all.
   */
  oldest(
    limit: number,
    place: Place,
  ): Promise<{ readonly found: number; readonly count: number; readonly place: Place } | { refused: unknown }>
  /** The place behind the next row. */
  next(place: Place): Promise<Place>
  /**
   * Those on the pages of the table from one up to another. `pages`: how many it has; 0 where it cannot be
   * read so, or where one of them is refused. `mine`: false if somebody else is at it.
   */
  onPages(
    from: number,
    upTo: number,
  ): Promise<{ readonly count: number; readonly mine: boolean; readonly pages: number }>
}

const START: Place = { from: '', skip: 0 }

// Rows that are refused cost two statements each: after so many the next prune goes on behind them.
const MAX_REFUSED = 1000

// So many prunes of the timer begin behind the rows that stay, then one tries these again.
const BEHIND = 10

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
  /** Where the timer's next prune begins: behind the rows that stay, if any do. */
  #place = START
  #behind = 0
  /** Whether this prune left rows that stay, or passed over them. */
  #stay = false
  /** Whether it was said that rows stay. */
  #told = false

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
        this.#run(this.#place).catch((error) => this.#settings.errorLog('Failed to prune sessions', error))
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
    return this.#run(START)
  }

  #run(place: Place): Promise<number> {
    this.#running ??= this.#batches(place).finally(() => {
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
  async #batches(place: Place): Promise<number> {
    this.#stay = place !== START
    let total = 0
    let refused = 0
    let size = this.#batchSize
    let page: number | undefined = 0
    for (;;) {
      const batch = await this.#deletes.oldest(size, place)
      if ('refused' in batch) {
        page = undefined
        if (size > 1) size >>= 1
        else {
          this.#stays(batch.refused)
          place = await this.#deletes.next(place)
        }
        if (++refused < MAX_REFUSED && !this.#stopped) continue
        this.#place = place
        return total
      }
      const { found, count } = batch
      total += count
      if (count < found) this.#stays(kept())
      // Until they are vacuumed, the index still leads to the rows deleted so far: each batch would walk over them all.
      place = batch.place
      let ended = found < size || this.#stopped
      if (!ended && page !== undefined) {
        const walk = await this.#walk(page)
        total += walk.count
        page = walk.page
        ended = walk.ended
      }
      if (ended) {
        this.#ended(place)
        return total
      }
      size = Math.min(2 * size, this.#batchSize)
    }
  }

  /** From a page on, while nearly every page has a row to delete. Says where to go on, if anywhere. */
  async #walk(page: number): Promise<{ count: number; page: number | undefined; ended: boolean }> {
    for (let total = 0; ; ) {
      const { count, mine, pages } = await this.#deletes.onPages(page, page + PAGES)
      if (pages === 0) return { count: total, page: undefined, ended: false }
      total += count
      page += PAGES
      // After the last page none is left, but what others hold.
      const ended = !mine || page >= pages || this.#stopped
      if (ended || count < PAGES) return { count: total, page, ended }
    }
  }

  #stays(why: unknown): void {
    this.#stay = true
    if (this.#told) return
    this.#told = true
    this.#settings.errorLog('Some expired sessions cannot be pruned, the others are', why)
  }

  /** No row is left, but those that stay. */
  #ended(place: Place): void {
    if (!this.#stay) this.#told = false
    this.#behind = this.#stay && this.#behind < BEHIND ? this.#behind + 1 : 0
    this.#place = this.#behind > 0 ? place : START
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
