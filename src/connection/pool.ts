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
  /** Whether it is not to be tried again, as it does not set absolute values. */
  readonly isOnce?: boolean | undefined
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
  /** When a server could be reached again for the last time. */
  #backAt = Number.NEGATIVE_INFINITY

  /** Opens nothing yet. @throws TypeError for an instance or address that cannot be used */
  constructor(settings: Settings, counters: Counters) {
    this.#log = settings.errorLog
    this.#counters = counters
    this.#clients = createClients(settings, (server, isOwn) => {
      if (isOwn) counters.connectionsOpened++
      this.#reached(server)
    })
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
    const { until, effectUntil = until, isSplittable, isOnce } = request
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
      if (!retryable || isOnce || this.#closed) throw error
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
      return { rows: await this.#send(request, number, client) }
    } catch (failure) {
      const error = withoutData(failure, server)
      // A store that closes has no connection either.
      if (client.isShutOut && !this.#isConnected && !this.#closed) this.#shutOut(error)
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

  /** Whether a statement would be sent at once, without a login before. */
  get isReady(): boolean {
    return this.#idle[this.#nextIdle]?.isReady === true
  }

  #takeIdle(): Client | undefined {
    return this.#idle.splice(this.#nextIdle, 1)[0]
  }

  /**
   * The index of one that is free in the server too, if there is one. The one that was used last comes first,
   * also if it has just been lost: those that are still open can be as dead, and would be tried one by one.
   */
  get #nextIdle(): number {
    const free = this.#idle.findLastIndex(({ isBusy }) => !isBusy)
    return free === -1 ? this.#idle.length - 1 : free
  }

  #reached(server: Server | undefined): void {
    if (!this.#away) return
    this.#away = undefined
    this.#backAt = monotonicMs()
    this.#log(`PostgreSQL can be reached again${serverInWords(server)}`, undefined)
  }

  #shutOut(reason: StoreError): void {
    if (!this.#away) this.#log('PostgreSQL cannot be reached', reason)
    // That an attempt was given up says less than how another one failed.
    if (!this.#away || reason.code !== 'STORE_TIMEOUT') this.#away = reason
  }

  get #isConnected(): boolean {
    return this.#clients.some(({ isOpen }) => isOpen)
  }

  /**
   * Whether something failed as no server could be reached, which `errorLog` was told of.
   * @param began in ms of the monotonic clock
   */
  isOfOutage(code: string, began: number): boolean {
    // It can be late for an outage that has just ended.
    return this.#away !== undefined || (code === 'STORE_TIMEOUT' && this.#backAt >= began)
  }

  /** The error for a caller whose statement was never sent, with the last reason why a server was away. */
  timedOut(): StoreError {
    return this.#away ? timedOut(this.#away) : withoutData(timedOut(), this.#clients[0]?.server)
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

/** @param onOpen gets whether the connection is the store's own */
function createClients(
  settings: Settings,
  onOpen: (server: Server | undefined, isOwn: boolean) => void,
): Client[] {
  const { postgres: sql, isolate, max } = settings
  if (sql && !isolate) {
    checkShareable(sql)
    return Array.from({ length: max }, () => sharedClient(sql, (server) => onOpen(server, false)))
  }
  const options = lentOptions(settings)
  return Array.from({ length: max }, () => new OwnClient(options, (server) => onOpen(server, true)))
}
