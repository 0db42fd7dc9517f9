// Runs statements on a fixed number of connections. Promises that a statement which fails because of the
// connection is tried again until its deadline, and that one which fails for good rejects with an error
// without data. Reports once that no server can be reached, and once that one can be again. Must not know
// what the statements mean.

import { inBackground, monotonicMs, pause } from '../clock.ts'
import {
  addressOf,
  closed,
  type Server,
  type StoreError,
  serverInWords,
  timedOut,
  withoutData,
} from '../errors.ts'
import type { Settings } from '../settings/settings.ts'
import { isTransient, PROTOCOL_VIOLATION, STATEMENT_LATE } from '../sqlstate.ts'
import { type BatchMessage, batches, traced } from '../tracing/channels.ts'
import type { Counters } from '../tracing/counters.ts'
import type { Client } from './client.ts'
import { lentOptions } from './driver.ts'
import { checkShareable } from './instance.ts'
import { OwnClient } from './own-client.ts'
import type { Columns, Parameters } from './query.ts'
import { sharedClient } from './shared-client.ts'

// The codes of the network and of the driver for a connection that could not be made or was lost.
const OF_THE_CONNECTION = new Set(
  [
    'CONNECTION_CLOSED CONNECT_TIMEOUT ECONNREFUSED ECONNRESET EPIPE ETIMEDOUT EHOSTUNREACH ENETUNREACH',
    'EHOSTDOWN EAI_AGAIN ENOTFOUND STORE_PASSWORD STORE_PROTOCOL',
  ].flatMap((codes) => codes.split(' ')),
)

/** What is sent, and how long it is worth while. */
export interface Request {
  /** For traces: the name of the statement, and for how many sids it is. */
  readonly verb: string
  readonly size?: number
  readonly text: string
  readonly parameters: Parameters
  /** In ms of the monotonic clock. */
  readonly until: number
  /** By when it must have taken effect, if that is sooner. */
  readonly effectUntil?: number | undefined
  /** Whether the caller can do with less at a time. */
  readonly isSplittable?: boolean | undefined
}

/** How many connections there can be, how many are open, and how many have a statement under way. */
export interface Connections {
  readonly max: number
  readonly open: number
  readonly busy: number
}

type Attempt = { rows: Columns[] } | { error: StoreError; retryable: boolean }

export class Pool {
  readonly #clients: readonly Client[]
  readonly #idle: Client[]
  readonly #waiting: ((client: Client) => void)[] = []
  /** How many attempts have failed since the last successful one, of all statements together. */
  #failures = 0
  #closed = false
  readonly #log: Settings['errorLog']
  readonly #counters: Counters
  /** Why the last attempt to reach a server failed, once that was reported; undefined while one answers. */
  #away: StoreError | undefined

  /** Opens nothing yet. @throws TypeError for an instance or address that cannot be used */
  constructor(settings: Settings, counters: Counters) {
    this.#log = settings.errorLog
    this.#counters = counters
    this.#clients = createClients(settings, counters)
    this.#idle = [...this.#clients]
    const { stop } = settings
    this.#closed = stop?.aborted ?? false
    stop?.addEventListener('abort', () => void this.close())
  }

  /**
   * @throws StoreError with the SQLSTATE or the network's code, or STORE_TIMEOUT; STATEMENT_LATE after
   * `effectUntil`
   */
  query(request: Request): Promise<Columns[]> {
    // In the background, because the sockets and timers that this may open outlive the request that asks.
    return inBackground(() => this.#query(request))
  }

  async #query(request: Request): Promise<Columns[]> {
    const { until, effectUntil = until, isSplittable } = request
    let raised = 0
    let last: StoreError | undefined
    for (let number = 1; ; number++) {
      const attempt = await this.#attempt(request, number)
      if ('rows' in attempt) {
        this.#failures = 0
        return attempt.rows
      }
      const { error, retryable } = attempt
      // When the deadline passes during an attempt, the error of the attempt before says more.
      if (error.code === 'STORE_TIMEOUT') throw last ? timedOut(last) : error
      const isLate = error.code === STATEMENT_LATE && monotonicMs() >= effectUntil
      if (isLate) throw last && monotonicMs() >= until ? timedOut(last) : error
      last = error
      if (!retryable || this.#closed) throw error
      // A function of the user's, such as a trigger, can raise any code for the data of one member.
      if (error.isFromFunction && isSplittable) throw error
      // The first pause is short, for one connection that was lost. Later ones grow, for a server that is
      // away. The count is shared, so that new statements do not start with short pauses while it is away.
      const failures = error.isFromFunction ? raised++ : this.#failures++
      const pauseMs = Math.min(5 * 3 ** failures, 250) * (0.5 + Math.random() / 2)
      if (monotonicMs() + pauseMs >= until) throw timedOut(last)
      this.#counters.retries++
      await pause(pauseMs)
    }
  }

  /** @param number 1 for the first attempt */
  async #attempt(request: Request, number: number): Promise<Attempt> {
    const client = this.#takeIdle() ?? (await new Promise<Client>((take) => this.#waiting.push(take)))
    const { server } = client
    try {
      // The next statement of a prune that was under way would open a connection that nobody closes.
      if (this.#closed) throw closed()
      if (monotonicMs() >= request.until) throw timedOut()
      const rows = await this.#send(request, number, client)
      this.#reached(server)
      return { rows }
    } catch (failure) {
      const error = withoutData(failure, server)
      // An error can be an answer as well.
      if (client.isOpen) this.#reached(server)
      else if (client.isShutOut && !this.#isConnected) this.#shutOut(error)
      return { error, retryable: isRetryable(error) }
    } finally {
      const next = this.#waiting.shift()
      if (next) next(client)
      else this.#idle.push(client)
    }
  }

  #send(request: Request, attempt: number, client: Client): Promise<Columns[]> {
    this.#counters.statements++
    const { verb, size, text, parameters, until, effectUntil = until } = request
    const { server } = client
    return traced<BatchMessage, Columns[]>(batches, {
      describe: () => ({
        verb,
        attempt,
        ...(size !== undefined && { size }),
        ...(server && { server: addressOf(server) }),
      }),
      work: () => client.query(text, parameters, until, effectUntil),
      complete(message, rows) {
        message.rows = rows.length
      },
      tellable: (error) => withoutData(error, server),
    })
  }

  get connections(): Connections {
    const open = this.#clients.filter(({ isOpen }) => isOpen).length
    return { max: this.#clients.length, open, busy: this.#clients.length - this.#idle.length }
  }

  /** One that is free in the server too, if there is one. */
  #takeIdle(): Client | undefined {
    const free = this.#idle.findLastIndex(({ isBusy }) => !isBusy)
    return free === -1 ? this.#idle.pop() : this.#idle.splice(free, 1)[0]
  }

  #reached(server: Server | undefined): void {
    if (this.#away) this.#log(`PostgreSQL can be reached again${serverInWords(server)}`, undefined)
    this.#away = undefined
  }

  #shutOut(reason: StoreError): void {
    if (!this.#away) this.#log('PostgreSQL cannot be reached', reason)
    // That an attempt was given up says less than how another one failed.
    if (!this.#away || reason.code !== 'STORE_TIMEOUT') this.#away = reason
  }

  get #isConnected(): boolean {
    return this.#clients.some(({ isOpen }) => isOpen)
  }

  /** Whether no server can be reached, and `errorLog` was told so. */
  get isAway(): boolean {
    // Who has logged in may still wait for the first answer.
    return this.#away !== undefined && !this.#isConnected
  }

  /** The error for a caller whose statement was never sent, with the last reason why a server was away. */
  timedOut(): StoreError {
    return this.#away ? timedOut(this.#away) : this.late()
  }

  /** The same without a reason. */
  late(): StoreError {
    return withoutData(timedOut(), this.#clients[0]?.server)
  }

  /** Drops all connections of the store's own, after one of them gave rows that were not asked for. */
  replace(): void {
    for (const client of this.#clients) client.reset()
  }

  /** Closes the store's own connections, and opens no more. */
  async close(): Promise<void> {
    this.#closed = true
    await Promise.all(this.#clients.map((client) => client.end()))
  }
}

/** Every statement of the store may run twice, because it sets absolute values. */
function isRetryable({ code, severity }: StoreError): boolean {
  const isOfPooler = code === PROTOCOL_VIOLATION && severity === 'FATAL'
  return OF_THE_CONNECTION.has(code) || isTransient(code) || isOfPooler
}

function createClients(settings: Settings, counters: Counters): Client[] {
  const { postgres: sql, isolate, max } = settings
  if (sql && !isolate) {
    checkShareable(sql)
    return Array.from({ length: max }, () => sharedClient(sql))
  }
  const options = lentOptions(settings)
  return Array.from({ length: max }, () => new OwnClient(options, () => counters.connectionsOpened++))
}
