// One connection to PostgreSQL, from its opening to its end. Promises: one statement at a time, each ends by its deadline
// and ends the connection if it missed it. Keeps no process alive. Must not know what the statements are.
//
// The driver knows the protocol. It is given a socket that is connected and encrypted, and is never told to end: it would
// write to a socket that is gone, and its timers are those of the process, which stand still where a test has replaced them.

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
  /** Why it was given up. */
  #over: Error | undefined
  #asked = false
  /** Of the server's clock; known once it was greeted. */
  #aheadMs: number | undefined
  #patience: NodeJS.Timeout | undefined

  /** @param options with one host */
  constructor(options: DriverOptions) {
    this.#options = options
    this.#sql = connectedByRealTimers(
      postgres({
        ...options,
        // All of this is done here.
        ssl: false,
        connect_timeout: null,
        idle_timeout: null,
        max_lifetime: null,
        // Objects that the driver writes into.
        parameters: {},
        shared: { retries: 0, typeArrayMap: {} },
        socket: () => {
          // The driver tries again at once where a connection is closed before it is ready: hundreds of times a second, and
          // without an end. Who asked shall know, and pause.
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
      this.#aheadMs = await greet(this.#sql, until, giveUp)
      stopTimer(this.#patience)
    }
    return answer(this.#sql, text, parameters(timeLeft(until, this.#aheadMs)), until, giveUp)
  }

  /** With what is on its way. @param why what it fails with */
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
    // The driver stops to listen before a socket has said its last.
    this.#socket = socket.on('error', () => {})
    // Those of an app can be any stream.
    socket.unref?.()
    if (this.#over) {
      hangUp(socket, this.#over)
      throw this.#over
    }
  }

  /** The driver does not expect that asking for it can fail or last: an unhandled rejection would end the process. */
  async #password(pass: string | (() => string | Promise<string>)): Promise<string> {
    try {
      const password = typeof pass === 'function' ? await pass() : pass
      if (!this.isOver) return password
    } catch (error) {
      this.giveUp(noPassword(error))
    }
    // Whatever came now, the driver would write it to a socket that is gone.
    return new Promise(() => {})
  }
}

/** The driver begins to connect by a timer of the process. */
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
