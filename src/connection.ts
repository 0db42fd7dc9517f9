// Statements in, rows out, through a few connections. Promises: what fails on the way is tried again until the
// deadline; what fails for good comes out as an error without data. Must not know sessions.

import { type Client, OwnClient, sharedClient } from './client.ts'
import { inBackground, monotonicMs, pause } from './clock.ts'
import { at, type StoreError, timedOut, withoutData } from './errors.ts'
import { checkShareable, lentOptions } from './isolation.ts'
import type { Settings } from './options.ts'
import type { Columns, Parameters } from './query.ts'
import { STATEMENT_LATE } from './statements.ts'

// Each is about the way to the server or its state, not about the statement: the same one can succeed a moment later.
// All statements of the store may run twice, as they set absolute values.
const TRANSIENT = new Set(
  [
    // network and driver
    'CONNECTION_CLOSED CONNECT_TIMEOUT ECONNREFUSED ECONNRESET EPIPE ETIMEDOUT EHOSTUNREACH ENETUNREACH',
    'EHOSTDOWN EAI_AGAIN ENOTFOUND STORE_PASSWORD STORE_PROTOCOL',
    // 08 connection lost; 57P shutdown, crash recovery, starting; 53300 too many connections
    '08000 08001 08003 08006 08007 57P01 57P02 57P03 57P05 53300',
    // 40 deadlock, serialization; 26000 prepared statement unknown behind a pooler
    '40001 40P01 40003 26000',
    // read only: no longer the primary
    '25006',
    // the server takes its time for over
    STATEMENT_LATE,
  ].flatMap((codes) => codes.split(' ')),
)

type Outcome = { rows: Columns[] } | { failed: StoreError; again: boolean }

export class Connection {
  readonly #clients: readonly Client[]
  readonly #idle: Client[]
  readonly #waiting: ((client: Client) => void)[] = []
  /** Attempts that failed since the last one that did not. */
  #failures = 0
  #closed = false
  readonly #log: Settings['errorLog']
  /** The reported reason why no connection can be had; undefined while connections can be had. */
  #away: StoreError | undefined

  /** Opens nothing yet. @throws TypeError for an instance or address that cannot be used */
  constructor(settings: Settings) {
    this.#log = settings.errorLog
    this.#clients = openers(settings)
    this.#idle = [...this.#clients]
  }

  /**
   * @param until in ms of the monotonic clock
   * @throws StoreError with the SQLSTATE or the network's code, or STORE_TIMEOUT
   */
  query(text: string, parameters: Parameters, until: number): Promise<Columns[]> {
    // The sockets and timers that this may need belong to no request, and outlive the one that asks.
    return inBackground(() => this.#query(text, parameters, until))
  }

  async #query(text: string, parameters: Parameters, until: number): Promise<Columns[]> {
    for (let last: StoreError | undefined; ; ) {
      const outcome = await this.#attempt(text, parameters, until)
      if ('rows' in outcome) {
        this.#failures = 0
        return outcome.rows
      }
      const { failed, again } = outcome
      // The time may be over in the middle of an attempt: why the one before failed says more.
      if (failed.code === 'STORE_TIMEOUT') throw last ? timedOut(last) : failed
      last = failed
      if (!again || this.#closed) throw failed
      // At first nearly at once, for the one connection that was lost; then growing, for a server that is away. Of all
      // statements together: what comes new while it is away need not find that out again.
      const pauseMs = Math.min(5 * 3 ** this.#failures++, 250) * (0.5 + Math.random() / 2)
      if (monotonicMs() + pauseMs >= until) throw timedOut(last)
      await pause(pauseMs)
    }
  }

  async #attempt(text: string, parameters: Parameters, until: number): Promise<Outcome> {
    const client = this.#idle.pop() ?? (await new Promise<Client>((take) => this.#waiting.push(take)))
    const { place } = client
    try {
      if (monotonicMs() >= until) throw timedOut()
      const rows = await client.query(text, parameters, until)
      if (this.#away) this.#log(`PostgreSQL can be reached again${at(place)}`, undefined)
      this.#away = undefined
      return { rows }
    } catch (error) {
      const failed = withoutData(error, place)
      if (!this.#away && client.isShutOut && !this.#clients.some(({ isOpen }) => isOpen)) {
        this.#away = failed
        this.#log('PostgreSQL cannot be reached', failed)
      }
      return { failed, again: TRANSIENT.has(failed.code) || isOfPooler(error) }
    } finally {
      const next = this.#waiting.shift()
      if (next) next(client)
      else this.#idle.push(client)
    }
  }

  /** No connection can be had, and `errorLog` was told. */
  get isAway(): boolean {
    return this.#away !== undefined
  }

  /** The error for a caller whose statement was never sent. */
  timedOut(): StoreError {
    return this.#away ? timedOut(this.#away) : withoutData(timedOut(), this.#clients[0]?.place)
  }

  /** Gives up all connections of the store's own, for when one of them answered what was not asked. */
  replace(): void {
    for (const client of this.#clients) client.reset()
  }

  /** Nothing may be on its way. Closes only what the store opened. */
  async close(): Promise<void> {
    this.#closed = true
    await Promise.all(this.#clients.map((client) => client.end()))
  }
}

/** PgBouncer reports its own troubles, such as no free connection to the server, as a violated protocol. */
function isOfPooler(error: unknown): boolean {
  const { severity, code } = error as { severity?: string; code?: string }
  return severity === 'FATAL' && code === '08P01'
}

function openers(settings: Settings): Client[] {
  const { postgres: sql, isolate, max } = settings
  if (sql && !isolate) {
    checkShareable(sql)
    return Array.from({ length: max }, () => sharedClient(sql))
  }
  const options = lentOptions(settings)
  return Array.from({ length: max }, () => new OwnClient(options))
}
