// When to prune, and for how long. Promises that the timer starts with the store's first use, keeps no
// process alive, never runs two prunes at once, and starts again when a prune has ended. Must not know how
// rows are deleted.

import { inBackground, MAX_DELAY_MS, startTimer, stopTimer } from '../clock.ts'
import { kept } from '../errors.ts'
import type { Settings } from '../settings/settings.ts'

/** A position among the expired rows, in the order of their expiry. */
export interface Place {
  /** An expiry; empty for the earliest. */
  readonly from: string
  /** How many rows from there on are known to stay, because they cannot be deleted. */
  readonly skip: number
}

/** Deletes expired rows, a batch at a time. */
export interface Deletes {
  /** How many rows a batch may have at the moment. */
  readonly maxRows?: number
  /**
   * Deletes up to `limit` rows in the order of their expiry. `count` is the number deleted, less than `found`
   * if a trigger keeps some. If the database refuses to delete one, as for a foreign key, none is deleted.
   */
  oldest(
    limit: number,
    place: Place,
  ): Promise<{ readonly found: number; readonly count: number; readonly place: Place } | { refused: unknown }>
  /** The place behind the next row. */
  next(place: Place): Promise<Place>
  /**
   * Deletes the expired rows on the table's pages from one up to, not including, another. `isOurTurn` is
   * false while another process prunes. `pages` is the number of pages, or 0 if the table cannot be read by
   * pages, or if the database refuses to delete one of the rows.
   */
  onPages(
    from: number,
    upTo: number,
  ): Promise<{ readonly count: number; readonly isOurTurn: boolean; readonly pages: number }>
}

const START: Place = { from: '', skip: 0 }

// How many refused batches end a prune. Each refused row costs two statements; the timer's next prune goes on
// behind them.
const MAX_REFUSED = 1000

// How many of the timer's prunes in a row start behind the rows that stay, before one tries these again.
const MAX_PRUNES_BEHIND = 10

// How many pages of the table, of 8 KB each, one statement visits.
const PAGES = 200

type PruneSettings = Pick<Settings, 'pruneSessionInterval' | 'pruneSessionRandomizedInterval' | 'errorLog'>

export class Pruner {
  readonly #settings: PruneSettings
  readonly #deletes: Deletes
  readonly #batchSize: number
  #timer: NodeJS.Timeout | undefined
  #running: Promise<number> | undefined
  #stopped = false
  /** Where the timer's next prune starts: behind the rows that stay, if there are any. */
  #place = START
  /**
   * Whether the last prune ended because too many rows were refused: the next one goes on where it got to.
   */
  #isUnfinished = false
  /** How many prunes in a row have started behind the rows that stay. */
  #prunesBehind = 0
  /** Whether this prune has met rows that stay, or started behind them. */
  #rowsStay = false
  /** Whether it was reported that rows stay. */
  #reported = false

  constructor(settings: PruneSettings, deletes: Deletes, batchSize = 1000) {
    this.#settings = settings
    this.#deletes = deletes
    this.#batchSize = batchSize
  }

  /** Starts the timer. Can be called at every use: it does nothing while the timer runs. */
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

  /** Stops the timer for good. A prune under way ends after its current batch. */
  stop(): void {
    this.#stopped = true
    stopTimer(this.#timer)
  }

  /**
   * Deletes batches until no expired row is left, and resolves with their number. Concurrent calls share one
   * prune.
   */
  prune(): Promise<number> {
    return this.#run(this.#isUnfinished ? this.#place : START)
  }

  #run(place: Place): Promise<number> {
    this.#running ??= this.#pruneFrom(place).finally(() => {
      this.#running = undefined
      // The interval counts from the last prune, also from one that was not started by the timer.
      stopTimer(this.#timer)
      this.#timer = undefined
      this.start()
    })
    return this.#running
  }

  /**
   * Deletes by expiry, which quickly finds the few rows that expired in the last minute. When many rows have
   * expired, they are spread over all pages of the table, and each page would be visited many times. So after
   * each full batch it tries to go page by page, which is several times as fast where nearly every page has
   * an expired row.
   */
  async #pruneFrom(place: Place): Promise<number> {
    this.#rowsStay = place !== START
    let total = 0
    let refused = 0
    let size = this.#batchSize
    let page: number | undefined = 0
    for (;;) {
      size = Math.min(size, this.#deletes.maxRows ?? size)
      const batch = await this.#deletes.oldest(size, place)
      if ('refused' in batch) {
        page = undefined
        if (size > 1) size >>= 1
        else {
          this.#noteRowsStay(batch.refused)
          place = await this.#deletes.next(place)
        }
        if (++refused < MAX_REFUSED && !this.#stopped) continue
        this.#place = place
        this.#isUnfinished = true
        return total
      }
      const { found, count } = batch
      total += count
      if (count < found) this.#noteRowsStay(kept())
      // Continue behind the rows deleted so far. Until they are vacuumed the index still contains them, and
      // every batch from the start would walk over them all.
      place = batch.place
      let ended = found < size || this.#stopped
      if (!ended && page !== undefined) {
        const walk = await this.#walkPages(page)
        total += walk.count
        page = walk.page
        ended = walk.ended
      }
      if (ended) {
        this.#noteEnd(place)
        return total
      }
      size = Math.min(2 * size, this.#batchSize)
    }
  }

  /**
   * Goes page by page while nearly every page has a row to delete. Resolves with the page to go on from
   * later, undefined if the table cannot be read by pages.
   */
  async #walkPages(page: number): Promise<{ count: number; page: number | undefined; ended: boolean }> {
    for (let total = 0; ; ) {
      const { count, isOurTurn, pages } = await this.#deletes.onPages(page, page + PAGES)
      if (pages === 0) return { count: total, page: undefined, ended: false }
      total += count
      page += PAGES
      // After the last page only rows that others have locked are left.
      const ended = !isOurTurn || page >= pages || this.#stopped
      if (ended || count < PAGES) return { count: total, page, ended }
    }
  }

  #noteRowsStay(reason: unknown): void {
    this.#rowsStay = true
    if (this.#reported) return
    this.#reported = true
    this.#settings.errorLog('Some expired sessions cannot be pruned, the others are', reason)
  }

  /** Decides where the timer's next prune starts, after one that left no row but those that stay. */
  #noteEnd(place: Place): void {
    this.#isUnfinished = false
    if (!this.#rowsStay) this.#reported = false
    const startsBehind = this.#rowsStay && this.#prunesBehind < MAX_PRUNES_BEHIND
    this.#prunesBehind = startsBehind ? this.#prunesBehind + 1 : 0
    this.#place = startsBehind ? place : START
  }

  #delayMs(intervalMs: number): number {
    try {
      const delay = inBackground(() => this.#settings.pruneSessionRandomizedInterval(intervalMs))
      if (delay >= 0 && delay <= MAX_DELAY_MS) return delay
      throw new RangeError(`Expected milliseconds from 0 to ${MAX_DELAY_MS}, got ${delay}`)
    } catch (error) {
      this.#settings.errorLog(
        '`pruneSessionRandomizedInterval` failed, the interval is taken as it is',
        error,
      )
      return intervalMs
    }
  }
}
