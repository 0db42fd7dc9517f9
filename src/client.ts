// One connection at a time, opened when it is needed. Promises: one statement at a time, each ends by its
// deadline, and none goes to a connection that is known or likely to be lost. Must not know the statements.

import type { Sql } from 'postgres'
import { startTimer, stopTimer } from './clock.ts'
import type { Place } from './errors.ts'
import type { DriverOptions } from './isolation.ts'
import { Link } from './link.ts'
import { answer, type Columns, greet, isAnswer, type Parameters, timeLeft } from './query.ts'

export interface Client {
  /** Where the last statement went, or was to go. */
  readonly place: Place | undefined
  /** A server has let it in, and nothing says that the connection was lost. */
  readonly isOpen: boolean
  /** Every host has refused it since the last time that one let it in. */
  readonly isShutOut: boolean
  /** @param until in ms of the monotonic clock */
  query(text: string, parameters: Parameters, until: number): Promise<Columns[]>
  /** Gives the connection up, with what is on its way; the next query opens another. */
  reset(): void
  /** Says goodbye to the server. Nothing may be on its way. */
  end(): Promise<void>
}

/** Runs on the connections of the app's instance, which stay the app's. */
export function sharedClient(sql: Sql<any>): Client {
  let aheadMs: number | undefined
  let isShutOut = false
  const { path, host, port, database } = (sql.options ?? {}) as unknown as Partial<DriverOptions>
  return {
    place: host && { path, host: host.join(), port: port?.[0] as number, database },
    get isOpen() {
      return aheadMs !== undefined
    },
    get isShutOut() {
      return isShutOut
    },
    async query(text, parameters, until) {
      isShutOut = aheadMs === undefined
      aheadMs ??= await greet(sql, until, () => {})
      isShutOut = false
      try {
        return await answer(sql, text, parameters(timeLeft(until, aheadMs)), until, () => {})
      } catch (error) {
        // Also after the instance has gone to another server, with another clock.
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
  /** Of several hosts, the one that is asked next. */
  #host = 0
  /** Attempts in a row in which no host let it in. */
  #refusals = 0
  #retireAt = 0
  /** By the wall clock: unlike timers, it goes on while the process or the machine is stopped. */
  #usedAt = 0
  #idle: NodeJS.Timeout | undefined

  constructor(options: DriverOptions) {
    this.#options = options
  }

  get place(): Place {
    const { path, host, port, database } = this.#options
    return { path, host: host[this.#host] as string, port: port[this.#host] as number, database }
  }

  get isOpen(): boolean {
    return this.#link?.wasOpen === true && !this.#link.isOver
  }

  get isShutOut(): boolean {
    return this.#refusals >= this.#options.host.length
  }

  async query(text: string, parameters: Parameters, until: number): Promise<Columns[]> {
    stopTimer(this.#idle)
    // After so long the server, or a router on the way, may have dropped the connection without a word.
    if (this.#link?.isOver || Date.now() - this.#usedAt > this.#idleMs) this.reset()
    if (Date.now() > this.#retireAt) await this.end()
    this.#link ??= this.#begin()
    const link = this.#link
    try {
      return await link.query(text, parameters, until)
    } catch (error) {
      // Anything but the server's answer to this statement leaves the connection in doubt, and the driver with it: it
      // gives the last words of a lost connection to the next statement.
      if (!isAnswer(error) && link === this.#link) {
        if (!link.wasOpen) this.#refusals++
        this.#host = (this.#host + 1) % this.#options.host.length
        this.reset()
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

  /** Connects to a single host, so that the store knows which server a statement goes to. */
  #begin(): Link {
    const { host, port, max_lifetime: lifetime } = this.#options
    const seconds = typeof lifetime === 'function' ? lifetime() : lifetime
    this.#retireAt = seconds ? Date.now() + seconds * 1000 : Number.POSITIVE_INFINITY
    const at = this.#host
    // With several hosts the driver swallows the error when none of them answers.
    return new Link({ ...this.#options, host: host.slice(at, at + 1), port: port.slice(at, at + 1) })
  }
}
