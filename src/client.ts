// One connection to PostgreSQL, opened when it is needed. Promises: one statement at a time, each ends by its deadline,
// and a connection that missed one is given up. Keeps no process alive. Must not know what the statements are.

import type { Socket } from 'node:net'
import postgres, { type Sql } from 'postgres'
import { startTimer, stopTimer } from './clock.ts'
import { StoreError } from './errors.ts'
import type { DriverOptions } from './isolation.ts'
import { answer, type Columns, greet, isAnswer, type Parameters, timeLeft } from './query.ts'
import { borrowed, closedEarly, dead, hangUp, opening } from './sockets.ts'

export interface Client {
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
  return {
    async query(text, parameters, until) {
      aheadMs ??= await greet(sql, until, () => {})
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
  #sql: Sql | undefined
  #socket: Socket | undefined
  /** Of several hosts, the one that is asked next. */
  #host = 0
  /** Of the server's clock; known once it was greeted. */
  #aheadMs: number | undefined
  #retireAt = 0
  #idle: NodeJS.Timeout | undefined

  constructor(options: DriverOptions) {
    this.#options = options
  }

  async query(text: string, parameters: Parameters, until: number): Promise<Columns[]> {
    if (this.#socket?.destroyed) this.reset()
    if (this.#sql && Date.now() > this.#retireAt) await this.end()
    stopTimer(this.#idle)
    this.#sql ??= this.#begin()
    const sql = this.#sql
    const giveUp = () => this.reset()
    try {
      this.#aheadMs ??= await greet(sql, until, giveUp)
      return await answer(sql, text, parameters(timeLeft(until, this.#aheadMs)), until, giveUp)
    } catch (error) {
      // A reset from elsewhere: the statement did not fail, its connection was taken away.
      if (sql !== this.#sql && !(error instanceof StoreError))
        throw new StoreError('CONNECTION_CLOSED', 'The connection was given up')
      // Anything but the server's answer to this statement leaves the connection in doubt, and the driver with it: it
      // gives the last words of a lost connection to the next statement.
      if (!isAnswer(error)) {
        this.#host = (this.#host + 1) % this.#options.host.length
        this.reset()
      }
      throw error
    } finally {
      this.#idle = startTimer(() => void this.end(), (this.#options['idle_timeout'] || 60) * 1000).unref()
    }
  }

  reset(): void {
    const sql = this.#sql
    this.#sql = undefined
    if (this.#socket) hangUp(this.#socket)
    this.#socket = undefined
    void sql?.end({ timeout: 0 })
  }

  async end(): Promise<void> {
    const sql = this.#sql
    this.#sql = undefined
    stopTimer(this.#idle)
    await sql?.end({ timeout: 1 })
  }

  /** An instance of the driver for one socket, so that the store knows which server a statement goes to. */
  #begin(): Sql {
    const { host, port, pass, max_lifetime: lifetime } = this.#options
    const seconds = typeof lifetime === 'function' ? lifetime() : lifetime
    this.#aheadMs = undefined
    let opened = false
    this.#retireAt = seconds ? Date.now() + seconds * 1000 : Number.POSITIVE_INFINITY
    return postgres({
      ...this.#options,
      // The driver's own timers for these would keep the process alive.
      idle_timeout: null,
      max_lifetime: null,
      // With several hosts the driver swallows the error when none answers, so it hears of one; see #open.
      host: host.slice(0, 1),
      port: port.slice(0, 1),
      // Objects that the driver writes into.
      parameters: {},
      shared: { retries: 0, typeArrayMap: {} },
      socket: () => {
        // The driver tries again at once where a connection is closed before it is ready: hundreds of times a second, and
        // without an end. Who asked shall know, and pause.
        if (opened) return dead(closedEarly())
        opened = true
        return this.#open()
      },
      pass: typeof pass === 'function' ? () => this.#ask(pass) : pass,
    } as object)
  }

  /** The driver does not expect that asking for a password can fail: an unhandled rejection would end the process. */
  async #ask(pass: () => string | Promise<string>): Promise<string> {
    try {
      return await pass()
    } catch {
      const failed = new Error('The function that gives the password failed')
      this.#socket?.destroy(Object.assign(failed, { code: 'STORE_PASSWORD', syscall: 'password' }))
      // Whatever came now, the driver would write it to a socket that is gone.
      return new Promise(() => {})
    }
  }

  /** The driver's sockets hold the process; these do not: a query holds it, by the timer of its deadline. */
  async #open(): Promise<Socket> {
    const { host, port, path, ssl, socket: borrow } = this.#options
    const to = { host: host[this.#host]!, port: port[this.#host]!, noDelay: true }
    // Not connected yet: the driver writes into it meanwhile, and hears of its errors like of any other.
    const socket = borrow ? await borrowed(borrow, this.#options) : opening(path ? { path } : to, !ssl)
    this.#socket = Object.assign(socket, { host: to.host, port: to.port }).unref()
    return this.#socket
  }
}
