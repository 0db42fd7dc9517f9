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

interface Checked {
  /** @throws StoreError STORE_CLOSED */
  start(): void
  table: Table
  waiting(): number
  connections(): Connections
  /** The error where no answer came in time, with the reason, if one is known. */
  timedOut(): StoreError
}

/** @throws nothing */
export async function health({ start, table, waiting, connections, timedOut }: Checked): Promise<Health> {
  const began = monotonicMs()
  const until = began + PATIENCE_MS
  let answeredMs: number | undefined
  const ask = async () => {
    start()
    let sentAt = 0
    const values = () => {
      sentAt = Date.now()
      return {}
    }
    const row = await table.queryOne('health', values, until)
    answeredMs = monotonicMs() - began
    const { clockMs, ...found } = healthOf(row)
    // Its clock was read about half way between the sending and the answer.
    return { ok: found.table === 'ready', ...found, clockSkewMs: clockMs - (sentAt + Date.now()) / 2 }
  }
  let timer: NodeJS.Timeout | undefined
  // All connections can be busy for longer than that, or an attempt can be under way.
  const tooLate = new Promise<never>((_, reject) => {
    timer = startTimer(() => reject(timedOut()), PATIENCE_MS)
  })
  const found = await Promise.race([ask(), tooLate]).catch((error) => {
    const { code, message } = error as StoreError
    return { ok: false, code, message }
  })
  stopTimer(timer)
  const latencyMs = answeredMs ?? monotonicMs() - began
  return { ...found, latencyMs, waiting: waiting(), connections: connections() }
}
