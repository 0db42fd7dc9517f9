// Creates the index on user ids, on a connection of its own, as that can take minutes. Promises that several
// calls share one creation, and that closing the store does not wait for it. Must not know how it is created.

import { inBackground, MAX_DELAY_MS, monotonicMs, pause } from '../clock.ts'
import { Pool } from '../connection/pool.ts'
import { closed } from '../errors.ts'
import type { Settings } from '../settings/settings.ts'
import type { Table } from '../table/table.ts'
import { createUserIndex } from '../table/user-index.ts'
import type { UserRows } from '../table/user-rows.ts'
import type { Counters } from '../tracing/counters.ts'

// An election takes a while, whatever `timeout` is.
const MIN_QUESTION_MS = 5000

export class UserIndexing {
  readonly #settings: Settings
  readonly #table: Table
  readonly #userRows: UserRows
  readonly #counters: Counters
  #running: Promise<void> | undefined
  #isStopped = false
  #onStop = () => {}

  constructor(settings: Settings, table: Table, userRows: UserRows, counters: Counters) {
    this.#settings = settings
    this.#table = table
    this.#userRows = userRows
    this.#counters = counters
  }

  create(): Promise<void> {
    // In the background, because the promise is shared and must not keep one request's async context alive.
    this.#running ??= inBackground(() =>
      this.#create().finally(() => {
        this.#running = undefined
      }),
    )
    return this.#running
  }

  /** Gives up the creation that is under way, for good. A build that the server has begun may still be completed. */
  stop(): void {
    this.#isStopped = true
    this.#onStop()
  }

  async #create(): Promise<void> {
    const index = await this.#userRows.index(this.#table.deadline())
    // It can have taken a while, as the first statement of the store often does.
    if (this.#isStopped) throw closed()
    const pool = new Pool({ ...this.#settings, max: 1 }, this.#counters)
    const stopped = new Promise<never>((_, reject) => {
      this.#onStop = () => reject(closed())
    })
    const run = async (text: string, ms: number) => {
      if (this.#isStopped) throw closed()
      return pool.query({ verb: 'userIndex', text, parameters: () => [], until: monotonicMs() + ms })
    }
    const database = {
      ask: (text: string) => run(text, Math.max(this.#settings.timeoutMs, MIN_QUESTION_MS)),
      build: (text: string) => run(text, MAX_DELAY_MS),
      pause,
    }
    try {
      await Promise.race([createUserIndex(index, database), stopped])
    } finally {
      // A build that was given up is dropped together with its connection.
      pool.replace()
      await pool.close()
    }
  }
}
