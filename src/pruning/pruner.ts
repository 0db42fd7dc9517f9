// When to prune, and where to start. Promises that the timer starts with the store's first use, keeps no
// process alive, never runs two prunes at once, and starts again when a prune has ended. Must not know how
// rows are deleted.

import { inBackground, MAX_DELAY_MS, startTimer, stopTimer } from '../clock.ts'
import type { Settings } from '../settings/settings.ts'
import { type PruneMessage, prunes, traced } from '../tracing/channels.ts'
import { type Deletes, type Place, prune } from './prune.ts'

const START: Place = { from: '', skip: 0 }

// How many of the timer's prunes in a row start behind the rows that stay, before one tries these again.
const MAX_PRUNES_BEHIND = 10

interface PruneSettings
  extends Pick<Settings, 'pruneSessionInterval' | 'pruneSessionRandomizedInterval' | 'errorLog'> {
  /** Gets how many rows a prune has deleted, when it has ended. */
  onPruned?(count: number): void
  /** Whether the failure of a prune, which has just come up, was reported already. */
  isKnown?(error: unknown): boolean
}

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
        this.#run(this.#place).catch((error) => {
          if (this.#stopped || this.#settings.isKnown?.(error)) return
          this.#settings.errorLog('Failed to prune sessions', error)
        })
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
    this.#running ??= this.#traced(place).finally(() => {
      this.#running = undefined
      // The interval counts from the last prune, also from one that was not started by the timer.
      stopTimer(this.#timer)
      this.#timer = undefined
      this.start()
    })
    return this.#running
  }

  #traced(place: Place): Promise<number> {
    return traced<PruneMessage, number>(prunes, {
      describe: () => ({}),
      work: () => this.#pruneFrom(place),
      complete(message, deleted) {
        message.deleted = deleted
      },
    })
  }

  async #pruneFrom(start: Place): Promise<number> {
    let rowsStay = start !== START
    const { total, place, isFinished } = await prune(this.#deletes, start, {
      batchSize: this.#batchSize,
      isStopped: () => this.#stopped,
      onRowsStay: (reason) => {
        rowsStay = true
        this.#reportRowsStay(reason)
      },
    })
    this.#isUnfinished = !isFinished
    if (isFinished) this.#chooseNextStart(rowsStay, place)
    else this.#place = place
    this.#settings.onPruned?.(total)
    return total
  }

  #reportRowsStay(reason: unknown): void {
    if (this.#reported) return
    this.#reported = true
    this.#settings.errorLog('Some expired sessions cannot be pruned, the others are', reason)
  }

  /** Decides where the timer's next prune starts, after one that left no row but those that stay. */
  #chooseNextStart(rowsStay: boolean, place: Place): void {
    if (!rowsStay) this.#reported = false
    const startsBehind = rowsStay && this.#prunesBehind < MAX_PRUNES_BEHIND
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
