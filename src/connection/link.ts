// One connection to PostgreSQL, from its opening to its end. Promises that each statement ends by its
// deadline, after which the connection has to be given up, and that an idle connection keeps no process alive.
// Must not know what the statements are.
//
// The driver only speaks the protocol. It gets a socket that is already connected and encrypted. Its own
// `end` is never called: in 3.4.9 it can write to a socket that is gone, or wait for timers that a test has
// replaced.

import { Socket } from 'node:net'
import postgres, { type Sql } from 'postgres'
import { startTimer, stopTimer } from '../clock.ts'
import { addressOf, ConnectionError, noPassword, type Server, withoutData } from '../errors.ts'
import { connects, traced } from '../tracing/channels.ts'
import { agrees, encrypted, once, secured } from './encryption.ts'
import type { DriverOptions } from './instance.ts'
import { type Columns, execute, greet, type Parameters, timeLeft } from './query.ts'
import { startedByRealTimers } from './real-timers.ts'
import { asError, checked, dead, hangUp, layer } from './sockets.ts'

// PostgreSQL's Terminate message.
const TERMINATE = Buffer.from([0x58, 0, 0, 0, 4])

export class Link {
  readonly #options: DriverOptions
  readonly #onOpen: () => void
  readonly #sql: Sql
  #socket: Socket | undefined
  /** Why the connection ended; undefined until then. */
  #over: Error | undefined
  /** Whether the driver was given its one socket. */
  #gaveSocket = false
  /** How far the server's clock is ahead of ours; undefined until the server was greeted. */
  #aheadMs: number | undefined
  #loginTimer: NodeJS.Timeout | undefined

  /**
   * @param options with one host
   * @param onOpen is called when it has logged in
   */
  constructor(options: DriverOptions, onOpen: () => void) {
    this.#options = options
    this.#onOpen = onOpen
    this.#sql = startedByRealTimers(
      postgres({
        ...options,
        // These are done here, not by the driver.
        ssl: false,
        connect_timeout: null,
        idle_timeout: null,
        max_lifetime: null,
        // The driver writes into these objects, so each connection has its own.
        parameters: {},
        shared: { retries: 0, typeArrayMap: {} },
        socket: () => {
          // When a connection is closed before it is ready, the driver (3.4.9) reconnects at once, hundreds
          // of times a second and without end. Fail the query instead, so that the pool backs off.
          if (this.#gaveSocket)
            return dead(new ConnectionError('CONNECTION_CLOSED', 'The connection was closed'))
          this.#gaveSocket = true
          return this.#open()
        },
        pass: () => this.#password(options['pass']),
      } as object),
    )
  }

  /** Whether it was ever logged in. It may have ended since. */
  get wasOpen(): boolean {
    return this.#aheadMs !== undefined
  }

  get isOver(): boolean {
    return this.#over !== undefined || this.#socket?.destroyed === true
  }

  /**
   * @param until in ms of the monotonic clock
   * @param effectUntil by when it must have taken effect
   */
  async query(text: string, parameters: Parameters, until: number, effectUntil: number): Promise<Columns[]> {
    if (this.#aheadMs === undefined) {
      const late = new ConnectionError('CONNECT_TIMEOUT', 'The server did not let the store in in time')
      const loginMs = this.#options['connect_timeout'] * 1000
      this.#loginTimer = startTimer(() => this.giveUp(late), loginMs).unref()
      try {
        this.#aheadMs = await this.#login(until)
      } finally {
        stopTimer(this.#loginTimer)
      }
      this.#onOpen()
    }
    const values = parameters(timeLeft(effectUntil, this.#aheadMs))
    return execute(this.#sql, text, values, until).catch((error) => {
      // Something on the way has changed the bytes: the connection is lost, as any other that ends so.
      const { code } = error as { code?: unknown }
      if (!String(code).startsWith('ERR_SSL_')) throw error
      throw new ConnectionError('CONNECTION_CLOSED', `The encrypted connection broke [${code}]`)
    })
  }

  #login(until: number): Promise<number> {
    const { path, host, port, database } = this.#options
    const server: Server = { path, host: host[0] as string, port: port[0] as number, database }
    return traced(connects, {
      describe: () => ({ server: addressOf(server) }),
      work: () => greet(this.#sql, until),
      tellable: (error) => withoutData(error, server),
    })
  }

  /** Ends the connection at once. @param reason fails the statement under way */
  giveUp(reason: unknown = new ConnectionError('CONNECTION_CLOSED', 'The connection was given up')): void {
    this.#over ??= asError(reason)
    stopTimer(this.#loginTimer)
    if (this.#socket) hangUp(this.#socket, this.#over)
  }

  /** Closes the connection in an orderly way. No statement may be under way. */
  async end(): Promise<void> {
    const socket = this.#socket
    if (!socket || socket.destroyed || !this.wasOpen) return this.giveUp()
    this.#over = new ConnectionError('CONNECTION_CLOSED', 'The connection was ended')
    socket.end(TERMINATE)
    await new Promise<void>((resolve) => {
      const timer = startTimer(() => this.giveUp(), 1000)
      socket.once('close', () => {
        stopTimer(timer)
        resolve()
      })
    })
  }

  async #open(): Promise<Socket> {
    const { host, port, path, ssl, sslnegotiation, socket: openByApp } = this.#options
    const server = { host: host[0] as string, port: port[0] as number, noDelay: true }
    try {
      const tcp: Socket = openByApp ? await openByApp(this.#options) : new Socket()
      this.#adopt(tcp)
      if (!openByApp) await once(tcp.connect(path ? { path } : server), 'connect')
      const direct = sslnegotiation === 'direct'
      if (ssl && (direct || (await agrees(tcp, ssl)))) {
        const secure = layer(encrypted(tcp, server.host, ssl, direct), tcp)
        this.#adopt(secure)
        await secured(secure)
      }
      return checked(this.#socket as Socket)
    } catch (error) {
      this.giveUp(error)
      return dead(error)
    }
  }

  /**
   * Takes the socket over, to be ended with the connection. It keeps no process alive; while a query is under
   * way the timer of its deadline does.
   */
  #adopt(socket: Socket): void {
    // A socket can emit an error after the driver has removed its listeners, which would be uncaught.
    this.#socket = socket.on('error', () => {})
    // An app's own `socket` option can return any stream, and not every stream has this method.
    socket.unref?.()
    if (this.#over) {
      hangUp(socket, this.#over)
      throw this.#over
    }
  }

  /**
   * Calls the app's password function instead of letting the driver call it. In the driver (3.4.9) a function
   * that fails or takes long ends the process, by an unhandled rejection or an uncaught exception.
   */
  async #password(pass: string | (() => string | Promise<string>)): Promise<string> {
    try {
      const password = (typeof pass === 'function' ? await pass() : pass) ?? ''
      // Anything else would end the process in the driver.
      if (typeof password !== 'string') throw new TypeError('Expected a password that is a string')
      if (!this.isOver) return password
    } catch (error) {
      this.giveUp(noPassword(error))
    }
    // Never resolve: the driver would write the password to a socket that is gone.
    return new Promise(() => {})
  }
}
