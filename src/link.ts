// One connection to PostgreSQL, from its opening to its end. Promises: each statement ends by its deadline,
// and a missed deadline ends the connection. Keeps no process alive. Must not know what the statements are.
//
// The driver only speaks the protocol. It gets a socket that is already connected and encrypted, and is never
// told to end: it would write to a socket that is gone, or wait for timers that a test has replaced.

import { Socket } from 'node:net'
import postgres, { type Sql } from 'postgres'
import { startTimer, stopTimer, withRealTimers } from './clock.ts'
import { agrees, encrypted, once, secured } from './encryption.ts'
import { noPassword, WayError } from './errors.ts'
import type { DriverOptions } from './isolation.ts'
import { answer, type Columns, greet, type Parameters, timeLeft } from './query.ts'
import { checked, dead, hangUp, layer } from './sockets.ts'

const GOODBYE = Buffer.from([0x58, 0, 0, 0, 4])

export class Link {
  readonly #options: DriverOptions
  readonly #sql: Sql
  #socket: Socket | undefined
  /** Why it ended. */
  #over: Error | undefined
  #asked = false
  /** How far the server's clock is ahead; known once the server was greeted. */
  #aheadMs: number | undefined
  #patience: NodeJS.Timeout | undefined

  /** @param options with one host */
  constructor(options: DriverOptions) {
    this.#options = options
    this.#sql = connectedByRealTimers(
      postgres({
        ...options,
        // The link does all of this itself.
        ssl: false,
        connect_timeout: null,
        idle_timeout: null,
        max_lifetime: null,
        // The driver writes into these objects.
        parameters: {},
        shared: { retries: 0, typeArrayMap: {} },
        socket: () => {
          // The driver reconnects at once when a connection is closed before it is ready, hundreds of times a
          // second and without an end. Fail the query instead, so that the pool backs off.
          if (this.#asked) return dead(new WayError('CONNECTION_CLOSED', 'The connection was closed'))
          this.#asked = true
          return this.#open()
        },
        pass: () => this.#password(options['pass']),
      } as object),
    )
  }

  /** The server has let it in; it may be over by now. */
  get wasOpen(): boolean {
    return this.#aheadMs !== undefined
  }

  get isOver(): boolean {
    return this.#over !== undefined || this.#socket?.destroyed === true
  }

  /** @param until in ms of the monotonic clock */
  async query(text: string, parameters: Parameters, until: number): Promise<Columns[]> {
    const giveUp = () => this.giveUp()
    if (this.#aheadMs === undefined) {
      const late = new WayError('CONNECT_TIMEOUT', 'The server did not let the store in in time')
      const patienceMs = this.#options['connect_timeout'] * 1000
      this.#patience = startTimer(() => this.giveUp(late), patienceMs).unref()
      try {
        this.#aheadMs = await greet(this.#sql, until, giveUp)
      } finally {
        stopTimer(this.#patience)
      }
    }
    return answer(this.#sql, text, parameters(timeLeft(until, this.#aheadMs)), until, giveUp)
  }

  /** Ends the connection at once. @param why the error of the statement under way */
  giveUp(why: unknown = new WayError('CONNECTION_CLOSED', 'The connection was given up')): void {
    this.#over ??= why instanceof Error ? why : new Error('The socket could not be had')
    stopTimer(this.#patience)
    if (this.#socket) hangUp(this.#socket, this.#over)
  }

  /** Says goodbye to the server. Nothing may be on its way. */
  async end(): Promise<void> {
    const socket = this.#socket
    if (!socket || socket.destroyed || !this.wasOpen) return this.giveUp()
    this.#over = new WayError('CONNECTION_CLOSED', 'The connection was ended')
    socket.end(GOODBYE)
    await new Promise<void>((resolve) => {
      const timer = startTimer(() => this.giveUp(), 1000)
      socket.once('close', () => {
        stopTimer(timer)
        resolve()
      })
    })
  }

  async #open(): Promise<Socket> {
    const { host, port, path, ssl, sslnegotiation, socket: borrow } = this.#options
    const to = { host: host[0] as string, port: port[0] as number, noDelay: true }
    try {
      const tcp: Socket = borrow ? await borrow(this.#options) : new Socket()
      this.#hold(tcp)
      if (!borrow) await once(tcp.connect(path ? { path } : to), 'connect')
      const direct = sslnegotiation === 'direct'
      if (ssl && (direct || (await agrees(tcp, ssl)))) {
        const secure = layer(encrypted(tcp, to.host, ssl, direct), tcp)
        this.#hold(secure)
        await secured(secure)
      }
      return checked(this.#socket as Socket)
    } catch (error) {
      this.giveUp(error)
      return dead(error)
    }
  }

  /** The driver's sockets hold the process; these do not: a query holds it, by the timer of its deadline. */
  #hold(socket: Socket): void {
    // The driver removes its listeners before the last error of a socket can come.
    this.#socket = socket.on('error', () => {})
    // An app can give any stream, and not all have it.
    socket.unref?.()
    if (this.#over) {
      hangUp(socket, this.#over)
      throw this.#over
    }
  }

  /**
   * A function that fails or takes long would end the process in the driver, by an unhandled rejection or
   * exception.
   */
  async #password(pass: string | (() => string | Promise<string>)): Promise<string> {
    try {
      const password = typeof pass === 'function' ? await pass() : pass
      if (!this.isOver) return password
    } catch (error) {
      this.giveUp(noPassword(error))
    }
    // The driver would write any answer to a socket that is gone.
    return new Promise(() => {})
  }
}

/**
 * The driver starts each connection by the process's `setTimeout`, which never fires where a test has
 * replaced it.
 */
function connectedByRealTimers(sql: Sql): Sql {
  const { unsafe } = sql
  sql.unsafe = ((...given: [string]) => {
    sql.unsafe = unsafe
    const query = unsafe(...given) as ReturnType<typeof unsafe> & { handler: (started: unknown) => void }
    const { handler } = query
    query.handler = (started) => withRealTimers(() => handler(started))
    return query
  }) as typeof unsafe
  return sql
}
