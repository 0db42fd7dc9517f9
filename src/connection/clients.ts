// Hands the clients out, to one statement at a time each. Promises that who asks first gets one first, and that
// while logins are held back a client which needs one is not handed out. Must not know what statements are, nor
// why logins are held back.

import { monotonicMs, startTimer } from '../clock.ts'
import type { Client } from './client.ts'

export class Clients {
  readonly all: readonly Client[]
  readonly #idle: Client[]
  readonly #waiting: ((client: Client) => void)[] = []
  /** How long logins are held back after each; 0 if they are not. */
  #holdMs = 0
  /** Until when, in ms of the monotonic clock. */
  #heldUntil = Number.NEGATIVE_INFINITY
  #timer: NodeJS.Timeout | undefined

  constructor(all: readonly Client[]) {
    this.all = all
    this.#idle = [...all]
  }

  get idle(): number {
    return this.#idle.length
  }

  /** The one that would be handed out now. */
  get next(): Client | undefined {
    return this.#idle[this.#next]
  }

  /** A client, if there is one to hand out. */
  take(): Client | undefined {
    this.#handOut()
    return this.#takeIdle()
  }

  /** The next client, for who got none by `take`. */
  wait(): Promise<Client> {
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  /** @param comesLast whether it is handed out after all others */
  giveBack(client: Client, comesLast: boolean): void {
    if (comesLast) this.#idle.unshift(client)
    else this.#idle.push(client)
    this.#handOut()
  }

  /** So that those that are logged in do for everybody, and one login is tried at a time. */
  holdLogins(ms: number): void {
    this.#holdMs = ms
    this.#heldUntil = monotonicMs() + ms
  }

  freeLogins(): void {
    this.#holdMs = 0
    this.#heldUntil = Number.NEGATIVE_INFINITY
    this.#handOut()
  }

  #handOut(): void {
    while (this.#waiting.length > 0) {
      const client = this.#takeIdle()
      if (!client) return
      this.#waiting.shift()?.(client)
    }
  }

  #takeIdle(): Client | undefined {
    const next = this.#next
    if (next === -1) {
      if (this.#idle.length > 0) this.#handOutLater()
      return
    }
    const [client] = this.#idle.splice(next, 1)
    if (!client?.isReady) this.#heldUntil = monotonicMs() + this.#holdMs
    return client
  }

  /**
   * The index of one that is free in the server too, if there is one. The one that was used last comes first,
   * also if it has just been lost: connections from before an outage can be dead, and would be tried one by one.
   */
  get #next(): number {
    if (monotonicMs() < this.#heldUntil) return this.#idle.findLastIndex(({ isReady }) => isReady)
    const free = this.#idle.findLastIndex(({ isBusy }) => !isBusy)
    return free === -1 ? this.#idle.length - 1 : free
  }

  #handOutLater(): void {
    this.#timer ??= startTimer(() => {
      this.#timer = undefined
      this.#handOut()
    }, this.#heldUntil - monotonicMs())
  }
}
