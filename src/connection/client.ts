// Runs one statement at a time on one connection, which it opens when needed. Promises that each statement
// ends by its deadline, and that none is sent on a connection that is known or likely to be lost. Must not
// know the statements.

import type { Sql } from 'postgres'
import { startTimer, stopTimer } from '../clock.ts'
import { ConnectionError, type Server } from '../errors.ts'
import type { DriverOptions } from './driver.ts'
import { Link } from './link.ts'
import { answer, type Columns, greet, isAnswer, type Parameters, timeLeft, within } from './query.ts'

export interface Client {
  /** Whether the server still works on a statement that was given up. */
  readonly isBusy: boolean
  /** The server of the last statement, or of the attempt to send it. */
  readonly server: Server | undefined
  /** Whether it is logged in, and nothing says that the connection was lost. */
  readonly isOpen: boolean
  /** Whether no host has let it log in since its last successful login. */
  readonly isShutOut: boolean
  /**
   * @param until in ms of the monotonic clock
   * @param effectUntil by when it must have taken effect
   */
  query(text: string, parameters: Parameters, until: number, effectUntil: number): Promise<Columns[]>
  /** Drops the connection together with the statement under way. The next query opens another. */
  reset(): void
  /** Closes the connection in an orderly way. No statement may be under way. */
  end(): Promise<void>
}

/** Runs statements on the connections of the app's instance, which it never closes. */
export function sharedClient(sql: Sql<any>): Client {
  /** How far the server's clock is ahead of ours; undefined until the server was greeted. */
  let aheadMs: number | undefined
  let isShutOut = false
  /**
   * Resolves when the last statement has ended in the server too, which can be long after it was given up
   * here.
   */
  let lastEnded: Promise<unknown> = Promise.resolve()
  let isBusy = false
  const { path, host, port, database } = (sql.options ?? {}) as unknown as Partial<DriverOptions>
  return {
    server: host && { path, host: host.join(), port: port?.[0] as number, database },
    get isBusy() {
      return isBusy
    },
    get isOpen() {
      return aheadMs !== undefined
    },
    get isShutOut() {
      return isShutOut
    },
    async query(text, parameters, until, effectUntil) {
      // Otherwise a server that answers nothing would fill the connections of the app, one after the other.
      await within(until, lastEnded)
      isShutOut = aheadMs === undefined
      const remember = (ended: Promise<unknown>) => {
        isBusy = true
        lastEnded = ended.finally(() => {
          isBusy = false
        })
      }
      aheadMs ??= await greet(sql, until, () => {}, remember)
      isShutOut = false
      try {
        return await answer(sql, text, parameters(timeLeft(effectUntil, aheadMs)), until, () => {}, remember)
      } catch (error) {
        // Greet again before the next statement: the instance may have reconnected to another server, which
        // has another clock.
        if (!isAnswer(error)) aheadMs = undefined
        throw error
      }
    },
    reset() {},
    async end() {},
  }
}

export class OwnClient implements Client {
  readonly #options: DriverOptions
  #link: Link | undefined
  /** Which of the hosts is tried next. */
  #host = 0
  /** How many attempts to log in have failed since the last successful one. */
  #refusals = 0
  // These two are by the wall clock, which goes on while the process or the machine is suspended.
  #retireAt = 0
  #usedAt = 0
  #idle: NodeJS.Timeout | undefined

  constructor(options: DriverOptions) {
    this.#options = options
  }

  get server(): Server {
    const { path, host, port, database } = this.#options
    return { path, host: host[this.#host] as string, port: port[this.#host] as number, database }
  }

  // A connection of the store's own is dropped with the statement that was given up.
  readonly isBusy = false

  get isOpen(): boolean {
    return this.#link?.wasOpen === true && !this.#link.isOver
  }

  get isShutOut(): boolean {
    return this.#refusals >= this.#options.host.length
  }

  async query(text: string, parameters: Parameters, until: number, effectUntil: number): Promise<Columns[]> {
    stopTimer(this.#idle)
    // After this long without use, the server or a router in between may have dropped the connection
    // silently.
    if (this.#link?.isOver || Date.now() - this.#usedAt > this.#idleMs) this.reset()
    if (Date.now() > this.#retireAt) await this.end()
    this.#link ??= this.#openLink()
    const link = this.#link
    try {
      return await link.query(text, parameters, until, effectUntil)
    } catch (error) {
      // After any other error than the server's answer to this statement, the connection cannot be trusted:
      // the driver (3.4.9) reports the last error of a lost connection as the error of the next statement.
      if (!isAnswer(error) && link === this.#link) {
        if (!link.wasOpen) this.#refusals++
        const mayAskAnother = !link.wasOpen && this.#refusals < this.#options.host.length
        this.#host = (this.#host + 1) % this.#options.host.length
        this.reset()
        if (mayAskAnother) throw new ConnectionError('CONNECTION_CLOSED', 'Another host is asked')
      }
      throw error
    } finally {
      if (link.wasOpen) this.#refusals = 0
      this.#usedAt = Date.now()
      this.#idle = startTimer(() => void this.end(), this.#idleMs).unref()
    }
  }

  reset(): void {
    this.#link?.giveUp()
    this.#link = undefined
  }

  async end(): Promise<void> {
    const link = this.#link
    this.#link = undefined
    stopTimer(this.#idle)
    await link?.end()
  }

  get #idleMs(): number {
    return (this.#options['idle_timeout'] || 60) * 1000
  }

  /** Gives the driver one host at a time, so that the store knows which server a statement goes to. */
  #openLink(): Link {
    const { host, port, max_lifetime: lifetime } = this.#options
    const seconds = typeof lifetime === 'function' ? lifetime() : lifetime
    this.#retireAt = seconds ? Date.now() + seconds * 1000 : Number.POSITIVE_INFINITY
    const i = this.#host
    // With several hosts the driver (3.4.9) loses the error when none of them answers.
    return new Link({ ...this.#options, host: host.slice(i, i + 1), port: port.slice(i, i + 1) })
  }
}
