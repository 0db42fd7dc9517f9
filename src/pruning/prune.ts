// One prune: deletes expired rows, a batch at a time, until none is left. Promises that rows which cannot be
// deleted keep no others from it, and that it ends after the current batch when it is told to stop. Must not
// know when it is started, nor how a batch is deleted.

import { kept } from '../errors.ts'

/** A position among the expired rows, in the order of their expiry. */
export interface Place {
  /** An expiry; empty for the earliest. */
  readonly from: string
  /** How many rows from there on are known to stay, because they cannot be deleted. */
  readonly skip: number
}

/** Deletes expired rows, a batch at a time. */
export interface Deletes {
  /** How many rows a batch can have at the moment. */
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

export interface PruneOptions {
  /** How many rows a batch has at most. */
  readonly batchSize: number
  isStopped(): boolean
  /** Called for each reason why rows stay. */
  onRowsStay(reason: unknown): void
}

export interface Pruned {
  /** How many rows were deleted. */
  readonly total: number
  /** Behind the rows that stay. */
  readonly place: Place
  /** False if too many rows were refused: others may be left behind `place`. */
  readonly isFinished: boolean
}

// How many refused batches end a prune. Each refused row costs two statements; the next prune goes on behind
// them.
const MAX_REFUSED = 1000

// How many pages of the table, of 8 KB each, one statement visits.
const PAGES = 200

/**
 * Deletes by expiry, which quickly finds the few rows that expired in the last minute. When many rows have
 * expired, they are spread over all pages of the table, and each page would be visited many times. So after
 * each full batch it tries to go page by page, which is several times as fast where nearly every page has
 * an expired row.
 */
export async function prune(deletes: Deletes, place: Place, options: PruneOptions): Promise<Pruned> {
  const { batchSize, isStopped, onRowsStay } = options
  let total = 0
  let refused = 0
  let size = batchSize
  let page: number | undefined = 0
  for (;;) {
    size = Math.min(size, deletes.maxRows ?? size)
    const batch = await deletes.oldest(size, place)
    if ('refused' in batch) {
      page = undefined
      if (size > 1) size >>= 1
      else {
        onRowsStay(batch.refused)
        place = await deletes.next(place)
      }
      if (++refused < MAX_REFUSED && !isStopped()) continue
      return { total, place, isFinished: false }
    }
    const { found, count } = batch
    total += count
    if (count < found) onRowsStay(kept())
    // Continue behind the rows deleted so far. Until they are vacuumed the index still contains them, and
    // every batch from the start would walk over them all.
    place = batch.place
    let ended = found < size || isStopped()
    if (!ended && page !== undefined) {
      const walk = await walkPages(deletes, page, isStopped)
      total += walk.count
      page = walk.page
      ended = walk.ended
    }
    if (ended) return { total, place, isFinished: true }
    size = Math.min(2 * size, batchSize)
  }
}

/**
 * Goes page by page while nearly every page has a row to delete. Resolves with the page to go on from
 * later, undefined if the table cannot be read by pages.
 */
async function walkPages(
  deletes: Deletes,
  page: number,
  isStopped: () => boolean,
): Promise<{ count: number; page: number | undefined; ended: boolean }> {
  for (let total = 0; ; ) {
    const { count, isOurTurn, pages } = await deletes.onPages(page, page + PAGES)
    if (pages === 0) return { count: total, page: undefined, ended: false }
    total += count
    page += PAGES
    // After the last page only held rows are left.
    const ended = !isOurTurn || page >= pages || isStopped()
    if (ended || count < PAGES) return { count: total, page, ended }
  }
}
