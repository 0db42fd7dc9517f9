// Statements in, rows out, through a few connections. Promises: what fails on the way is tried again until the
// deadline; what fails for good comes out as an error without data. Must not know sessions.

import { type Client, type Columns, OwnClient, sharedClient } from './client.ts'
import { StoreError, timedOut, withoutData } from './errors.ts'
import { checkShareable, lentOptions } from './isolation.ts'
import type { Settings } from './options.ts'

// Each is about the way to the server or its state, not about the statement: the same one can succeed a moment later.
// All statements of the store may run twice, as they set absolute values.
const TRANSIENT = new Set(
  [
    // network and driver
    'CONNECTION_CLOSED CONNECT_TIMEOUT ECONNREFUSED ECONNRESET EPIPE ETIMEDOUT EHOSTUNREACH ENETUNREACH',
    'EHOSTDOWN EAI_AGAIN ENOTFOUND STORE_PASSWORD',
    // 08 connection lost; 57P shutdown, crash recovery, starting; 53300 too many connections
    '08000 08001 08003 08006 08007 57P01 57P02 57P03 57P05 53300',
    // 40 deadlock, serialization; 26000 prepared statement unknown behind a pooler
    '40001 40P01 40003 26000',
  ].flatMap((codes) => codes.split(' ')),
)

export type Parameters = (leftMs: number) => readonly string[]

export class Connection {
  readonly #clients: readonly Client[]
  readonly #idle: Client[]
  readonly #waiting: ((client: Client) => void)[] = []
  #closed = false

  /** Opens nothing yet. @throws TypeError for an instance or address that cannot be used */
  constructor(settings: Settings) {
    this.#clients = openers(settings)
    this.#idle = [...this.#clients]
  }

  /**
   * @param parameters made anew for each attempt, from the milliseconds that are left for it
   * @param until in ms since 1970
   * @throws StoreError with the SQLSTATE or the network's code, or STORE_TIMEOUT
   */
  async query(text: string, parameters: Parameters, until: number): Promise<Columns[]> {
    for (let attempt = 1, last: string | undefined; ; attempt++) {
      const outcome = await this.#attempt(text, parameters, until)
      if (!(outcome instanceof StoreError)) return outcome
      // The time may be over in the middle of an attempt: why the one before failed says more.
      if (outcome.code === 'STORE_TIMEOUT') throw timedOut(last)
      last = outcome.code
      if (!TRANSIENT.has(outcome.code) || this.#closed) throw outcome
      // At first nearly at once, for the one connection that was lost; then growing, for a server that is away.
      const pauseMs = Math.min(5 * 3 ** (attempt - 1), 250) * (0.5 + Math.random() / 2)
      if (Date.now() + pauseMs >= until) throw timedOut(outcome.code)
      await new Promise((resume) => setTimeout(resume, pauseMs))
    }
  }

  async #attempt(text: string, parameters: Parameters, until: number): Promise<Columns[] | StoreError> {
    const client = this.#idle.pop() ?? (await new Promise<Client>((take) => this.#waiting.push(take)))
    try {
      const leftMs = until - Date.now()
      return leftMs > 0 ? await client.query(text, parameters(leftMs), until) : timedOut()
    } catch (error) {
      return withoutData(error)
    } finally {
      const next = this.#waiting.shift()
      if (next) next(client)
      else this.#idle.push(client)
    }
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

function openers(settings: Settings): Client[] {
  const { postgres: sql, isolate, max } = settings
  if (sql && !isolate) {
    checkShareable(sql)
    return Array.from({ length: max }, () => sharedClient(sql))
  }
  const options = lentOptions(settings)
  return Array.from({ length: max }, () => new OwnClient(options))
}
