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
import { isTransient, PROTOCOL_VIOLATION, READ_ONLY, STATEMENT_LATE } from '../sqlstate.ts'
import { type BatchMessage, batches, traced } from '../tracing/channels.ts'
import type { Counters } from '../tracing/counters.ts'
import type { Client } from './client.ts'
import { Clients } from './clients.ts'
import { lentOptions } from './driver.ts'
import { checkShareable } from './instance.ts'
import { Liveness } from './liveness.ts'
import { OwnClient } from './own-client.ts'
import type { Columns, Parameters } from './query.ts'
import { sharedClient } from './shared-client.ts'

// The codes of the network and of the driver for a connection that could not be made or was lost.
const OF_THE_CONNECTION = new Set(
  [
    'CONNECTION_CLOSED CONNECT_TIMEOUT ECONNREFUSED ECONNRESET EPIPE ETIMEDOUT EHOSTUNREACH ENETUNREACH',
    'EHOSTDOWN ENETDOWN EADDRNOTAVAIL ECONNABORTED EAI_AGAIN ENOTFOUND STORE_PASSWORD STORE_PROTOCOL',
  ].flatMap((codes) => codes.split(' ')),
)

// A busy process is told late that something has failed.
const LATENESS_MS = 1000

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

/** A failed one was refused alone if other connections are alive, where it can be tried at once. */
type Attempt = { rows: Columns[] } | { error: StoreError; retryable: boolean; refusedAlone: boolean }

export class Pool {
  readonly #clients: Clients
  readonly #isOwn: boolean
  /** How many attempts have failed since the last successful one, of all statements together. */
  #failures = 0
  /** How many logins were refused soon after one another while other connections served. */
  #refusals = 0
  readonly #liveness: Liveness
  #closed = false
  readonly #log: Settings['errorLog']
  readonly #timeoutMs: number
  readonly #counters: Counters
  /** Why the last attempt to reach a server failed, once that was reported; undefined while one answers. */
  #away: StoreError | undefined
  /** When a server could be reached again for the last time. */
  #backAt = Number.NEGATIVE_INFINITY

  /** Opens nothing yet. @throws TypeError for an instance or address that cannot be used */
  constructor(settings: Settings, counters: Counters) {
    this.#log = settings.errorLog
    this.#timeoutMs = settings.timeoutMs
    this.#counters = counters
    this.#isOwn = !settings.postgres || settings.isolate
    const onOpen = (server: Server | undefined) => {
      if (this.#isOwn) counters.connectionsOpened++
      this.#refusals = 0
      this.#clients.freeLogins()
      this.#reached(server)
    }
    this.#clients = new Clients(createClients(settings, onOpen))
    this.#liveness = new Liveness(settings.timeoutMs)
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
      const { error, retryable, refusedAlone } = attempt
      // When the deadline passes during an attempt, the error of the attempt before says more.
      if (error.code === 'STORE_TIMEOUT') throw last ? timedOut(last) : error
      const isLate = error.code === STATEMENT_LATE && !error.isFromFunction && monotonicMs() >= effectUntil
      if (isLate) throw monotonicMs() >= until ? this.#timedOutAfter(last) : error
      last = error
      if (!retryable || isOnce || this.#closed) throw error
      // A function of the user's, such as a trigger, can raise any code for the data of one member.
      if (error.isFromFunction && isSplittable) throw error
      const pauseMs = refusedAlone ? 0 : pauseAfter(error.isFromFunction ? raised++ : this.#failures++)
      if (monotonicMs() + pauseMs >= until) throw timedOut(last)
      this.#counters.retries++
      if (pauseMs > 0) await pause(pauseMs)
    }
  }

  /** @param number 1 for the first attempt */
  async #attempt(request: Request, number: number): Promise<Attempt> {
    let unsent = this.#reasonNotToSend(request)
    let client = unsent ? undefined : this.#clients.take()
    if (!client && !unsent) {
      client = await this.#clients.wait(request.until)
      unsent = this.#reasonNotToSend(request)
    }
    if (!client || unsent) {
      if (client) this.#clients.giveBack(client, false)
      const [{ server } = {}] = this.#clients.all
      return { error: withoutData(unsent, server), retryable: false, refusedAlone: false }
    }
    const { server, isOpen } = client
    let refusedAlone = false
    try {
      const rows = await this.#send(request, number, client)
      if (isOpen) this.#liveness.answered()
      return { rows }
    } catch (failure) {
      const error = withoutData(failure, server)
      if (isOpen) {
        if (isSilent(error)) this.#liveness.silent()
        // An error is an answer, too.
        else if (client.isOpen) this.#liveness.answered()
      }
      if (client.isShutOut) refusedAlone = this.#isRefusedAlone(error)
      return { error, retryable: refusedAlone || isRetryable(error), refusedAlone }
    } finally {
      this.#clients.giveBack(client, refusedAlone)
    }
  }

  #reasonNotToSend({ until }: Request): StoreError | undefined {
    // The next statement of a prune that was under way would open a connection that nobody closes.
    if (this.#closed) return closed()
    return monotonicMs() >= until ? timedOut() : undefined
  }

  /**
   * Whether connections that are open do for everybody, as at a server that has no more to give, and a login is
   * tried now and then. Not if they can be dead: to try them one by one would take the time of a statement each.
   */
  #isRefusedAlone(error: StoreError): boolean {
    const isConnected = this.#clients.all.some(({ isOpen }) => isOpen)
    // A store that closes has no connection either.
    if (!isConnected && !this.#closed) this.#shutOut(error)
    if (!isConnected || this.#liveness.isDoubtful(isSilent(error))) {
      this.#clients.freeLogins()
      return false
    }
    // Where one connection leads to a standby, the others may. Those of an instance are not known one by one.
    if (error.code === READ_ONLY || !this.#isOwn) return false
    if (!this.#clients.isHolding) this.#refusals = 0
    this.#clients.holdLogins(pauseAfter(this.#refusals++))
    return true
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
    const { all, idle } = this.#clients
    return { max: all.length, open: all.filter(({ isOpen }) => isOpen).length, busy: all.length - idle }
  }

  /** Whether a statement would be sent at once, without a login before. */
  get isReady(): boolean {
    return this.#clients.next?.isReady === true
  }

  #reached(server: Server | undefined): void {
    if (!this.#away) return
    this.#away = undefined
    this.#backAt = monotonicMs()
    this.#log(`PostgreSQL can be reached again${serverInWords(server)}`, undefined)
  }

  #shutOut(reason: StoreError): void {
    const isNews = !this.#away
    // That an attempt was given up says less than how another one failed.
    if (isNews || reason.code !== 'STORE_TIMEOUT') this.#away = reason
    if (isNews) this.#log('PostgreSQL cannot be reached', reason)
  }

  /**
   * Whether something has just failed as no server could be reached, which `errorLog` was told of.
   */
  isOfOutage(code: string): boolean {
    if (this.#away) return true
    // What began before a server was back can be late for it afterwards, and no later than after `timeout`.
    return code === 'STORE_TIMEOUT' && monotonicMs() - this.#backAt <= this.#timeoutMs + LATENESS_MS
  }

  /** The error for a caller whose statement was never sent, with the last reason why a server was away. */
  timedOut(): StoreError {
    return this.#away ? timedOut(this.#away) : withoutData(timedOut(), this.#clients.all[0]?.server)
  }

  #timedOutAfter(last: StoreError | undefined): StoreError {
    return last ? timedOut(last) : this.timedOut()
  }

  /** Drops all connections of the store's own, after one of them gave rows that were not asked for. */
  replace(): void {
    for (const client of this.#clients.all) client.reset()
  }

  /** Closes the store's own connections, and opens no more. */
  async close(): Promise<void> {
    this.#closed = true
    // Who waits is told so.
    this.#clients.freeLogins()
    await Promise.all(this.#clients.all.map((client) => client.end()))
  }
}

/**
 * Short after the first failure, for one connection that was lost. Grows, for a server that is away: the count is
 * of all statements, so that new ones do not start with short pauses meanwhile.
 */
const pauseAfter = (failures: number): number => Math.min(5 * 3 ** failures, 250) * (0.5 + Math.random() / 2)

/** Whether nothing came until the deadline. */
const isSilent = ({ code }: StoreError): boolean => code === 'STORE_TIMEOUT' || code === 'CONNECT_TIMEOUT'

/** Every statement of the store may run twice, because it sets absolute values. */
function isRetryable({ code, severity }: StoreError): boolean {
  const isOfPooler = code === PROTOCOL_VIOLATION && severity === 'FATAL'
  return OF_THE_CONNECTION.has(code) || isTransient(code) || isOfPooler
}

function createClients(settings: Settings, onOpen: (server: Server | undefined) => void): Client[] {
  const { postgres: sql, isolate, max } = settings
  if (sql && !isolate) {
    checkShareable(sql)
    return Array.from({ length: max }, () => sharedClient(sql, onOpen))
  }
  const options = lentOptions(settings)
  return Array.from({ length: max }, () => new OwnClient(options, onOpen))
}
