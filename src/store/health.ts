// Whether the store can do its work now, for a readiness probe. Promises an answer within a second whatever
// the server does, and never an error. Must not know what the store is used for.

import { monotonicMs, startTimer, stopTimer } from '../clock.ts'
import type { Connections } from '../connection/pool.ts'
import type { StoreError } from '../errors.ts'
import { healthOf, type TableState } from '../table/health.ts'
import type { Table } from '../table/table.ts'

/** How long the server may take to answer. */
const PATIENCE_MS = 950

export interface Health {
  /** Whether the server has answered and the table is `ready`. */
  ok: boolean
  /** From the call to the server's answer, in ms, with the time until a connection was free. */
  latencyMs: number
  /** As the server names it. Undefined if it did not answer, as all that follows but `waiting`. */
  serverVersion?: string
  /** The TimeZone of the store's connections. Every process on the table must have the same. */
  timeZone?: string
  /** How far the server's clock is ahead of this process's, in ms. */
  clockSkewMs?: number
  /**
   * `forbidden`: the role may not select, insert, update or delete. `readOnly`: the connections are, by a
   * setting.
   */
  table?: TableState
  /** How many operations wait for an answer. */
  waiting: number
  connections: Connections
  /** The code of the error, if the server did not answer. */
  code?: string
  /** The message of that error. */
  message?: string
}

/** What is asked, and what is said of it. */
interface Checked {
  readonly table: Table
  waiting(): number
  connections(): Connections
  /** Whether a statement would be sent at once, without a login before. */
  isReady(): boolean
  /** The error where no answer came in time, with the reason, if one is known. */
  timedOut(): StoreError
}

interface Answer {
  readonly found: Partial<Health> & Pick<Health, 'ok'>
  /** On the monotonic clock. */
  readonly atMs: number
}

export class HealthCheck {
  readonly #checked: Checked
  /** The question that waits for a connection or for a login, while it is under way. */
  #opening: Promise<Answer> | undefined

  constructor(checked: Checked) {
    this.#checked = checked
  }

  /** @param start may throw, as the store may be closed. @throws nothing */
  async ask(start: () => void): Promise<Health> {
    const { waiting, connections, timedOut } = this.#checked
    const began = monotonicMs()
    let timer: NodeJS.Timeout | undefined
    // All connections can be busy for longer than that, or one can be logging in.
    const tooLate = new Promise<never>((_, reject) => {
      timer = startTimer(() => reject(timedOut()), PATIENCE_MS)
    })
    const answer = async () => {
      start()
      return this.#answer(began)
    }
    const { found, atMs } = await Promise.race([answer(), tooLate]).catch(
      ({ code, message }: StoreError) => ({
        found: { ok: false, code, message },
        atMs: monotonicMs(),
      }),
    )
    stopTimer(timer)
    return { ...found, latencyMs: atMs - began, waiting: waiting(), connections: connections() }
  }

  #answer(began: number): Promise<Answer> {
    const { table, isReady } = this.#checked
    if (isReady()) return this.#query(began + PATIENCE_MS)
    // A login can take longer than a probe waits. If each probe ended it, a store that is asked nothing else
    // would never be ready.
    this.#opening ??= this.#query(table.deadline()).finally(() => {
      this.#opening = undefined
    })
    return this.#opening
  }

  async #query(until: number): Promise<Answer> {
    let sentAt = 0
    const values = () => {
      sentAt = Date.now()
      return {}
    }
    const row = await this.#checked.table.queryOne('health', values, until)
    const { clockMs, ...found } = healthOf(row)
    // Its clock was read about half way between the sending and the answer.
    const clockSkewMs = clockMs - (sentAt + Date.now()) / 2
    return { found: { ok: found.table === 'ready', ...found, clockSkewMs }, atMs: monotonicMs() }
  }
}
