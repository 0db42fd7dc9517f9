// Runs statements on a connection of the store's own, which it opens when needed. Promises that each
// statement ends by its deadline, and that none is sent on a connection that is known or likely to be lost.
// Must not know the statements.

import { startTimer, stopTimer } from '../clock.ts'
import { ConnectionError, closed, type Server } from '../errors.ts'
import type { Client } from './client.ts'
import type { DriverOptions } from './instance.ts'
import { Link } from './link.ts'
import { type Columns, isStatementError, type Parameters } from './query.ts'

export class OwnClient implements Client {
  readonly #options: DriverOptions
  readonly #onOpen: (server: Server) => void
  #link: Link | undefined
  /** Which of the hosts is tried next. */
  #host = 0
  /** How many attempts to log in have failed since the last successful one. */
  #refusals = 0
  // These two are by the wall clock, which goes on while the process or the machine is suspended.
  #retireAt = 0
  #usedAt = 0
  #idle: NodeJS.Timeout | undefined
  #isEnded = false
  #ending: Promise<void> = Promise.resolve()

  /** @param onOpen is called when it has logged in, each time */
  constructor(options: DriverOptions, onOpen: (server: Server) => void) {
    this.#options = options
    this.#onOpen = onOpen
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

  get isReady(): boolean {
    return this.isOpen && !this.#isStale && Date.now() <= this.#retireAt
  }

  get isShutOut(): boolean {
    return this.#refusals >= this.#options.host.length
  }

  async query(text: string, parameters: Parameters, until: number, effectUntil: number): Promise<Columns[]> {
    stopTimer(this.#idle)
    if (this.#link?.isOver || this.#isStale) this.reset()
    if (Date.now() > this.#retireAt) await this.#endLink()
    // That can take a second. Nobody would close what is opened afterwards.
    if (this.#isEnded) throw closed()
    this.#link ??= this.#openLink()
    const link = this.#link
    try {
      return await link.query(text, parameters, until, effectUntil)
    } catch (error) {
      // After any other error than the server's answer to this statement, the connection cannot be trusted: a
      // statement may still be under way, and the driver (3.4.9) reports the last error of a lost connection as
      // the error of the next statement.
      if (!isStatementError(error) && link === this.#link) {
        if (!link.wasOpen) this.#refusals++
        const mayAskAnother = !link.wasOpen && this.#refusals < this.#options.host.length
        this.#host = (this.#host + 1) % this.#options.host.length
        this.reset()
        if (mayAskAnother) throw new ConnectionError('CONNECTION_CLOSED', 'Another host is asked')
      }
      throw error
    } finally {
      this.#usedAt = Date.now()
      this.#idle = startTimer(() => void this.#endLink(), this.#idleMs).unref()
    }
  }

  reset(): void {
    this.#link?.giveUp()
    this.#link = undefined
  }

  end(): Promise<void> {
    this.#isEnded = true
    return this.#endLink()
  }

  #endLink(): Promise<void> {
    const link = this.#link
    this.#link = undefined
    stopTimer(this.#idle)
    // The one before can be ending still.
    this.#ending = Promise.all([this.#ending, link?.end()]).then(() => {})
    return this.#ending
  }

  /**
   * After this long without use, the server or a router in between may have dropped the connection silently.
   */
  get #isStale(): boolean {
    return Date.now() - this.#usedAt > this.#idleMs
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
    const one = { ...this.#options, host: host.slice(i, i + 1), port: port.slice(i, i + 1) }
    return new Link(one, () => {
      this.#refusals = 0
      this.#onOpen(this.server)
    })
  }
}
