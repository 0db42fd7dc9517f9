// Hands the clients out, to one statement at a time each. Promises that who asks first gets one first, and that
// while logins are held back a client which needs one is not handed out. Must not know what statements are, nor
// why logins are held back.

import { monotonicMs, startTimer } from '../clock.ts'
import type { Client } from './client.ts'

// What keeps logins from being let in is over, if none was refused for so long.
const HOLDING_MS = 5000

interface Waiting {
  readonly until: number
  resolve(client: Client | undefined): void
}

export class Clients {
  readonly all: readonly Client[]
  readonly #idle: Client[]
  readonly #waiting: Waiting[] = []
  /** How long logins are held back after each, if they are, and since when, in ms of the monotonic clock. */
  #holdMs = 0
  readonly #holdingMs: number
  #holdingSince = Number.NEGATIVE_INFINITY
  #heldUntil = Number.NEGATIVE_INFINITY
  #timer: NodeJS.Timeout | undefined

  constructor(all: readonly Client[], holdingMs: number = HOLDING_MS) {
    this.all = all
    this.#holdingMs = holdingMs
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
    if (this.#waiting.length > 0) this.#handOut()
    return this.#takeIdle()
  }

  /**
   * The next client, for who got none by `take`; undefined after `until`, when there would have been one.
   * @param until in ms of the monotonic clock
   */
  wait(until: number): Promise<Client | undefined> {
    return new Promise((resolve) => this.#waiting.push({ until, resolve }))
  }

  /** @param comesLast whether it is handed out after all others */
  giveBack(client: Client, comesLast: boolean): void {
    if (comesLast) this.#idle.unshift(client)
    else this.#idle.push(client)
    if (this.#waiting.length > 0) this.#handOut()
  }

  /** Whether logins are tried one at a time. */
  get isHolding(): boolean {
    return monotonicMs() - this.#holdingSince < this.#holdingMs
  }

  /** So that those that are logged in do for everybody, and one login is tried at a time. */
  holdLogins(ms: number): void {
    this.#holdMs = ms
    this.#holdingSince = monotonicMs()
    this.#heldUntil = monotonicMs() + ms
  }

  freeLogins(): void {
    this.#holdMs = 0
    this.#holdingSince = Number.NEGATIVE_INFINITY
    this.#handOut()
  }

  #handOut(): void {
    for (let [first] = this.#waiting; first; [first] = this.#waiting) {
      const isLate = monotonicMs() >= first.until
      const client = isLate ? undefined : this.#takeIdle()
      if (!client && !isLate) return
      this.#waiting.shift()
      first.resolve(client)
    }
  }

  #takeIdle(): Client | undefined {
    const next = this.#next
    if (next === -1) {
      if (this.#idle.length > 0) this.#handOutLater()
      return
    }
    const [client] = this.#idle.splice(next, 1) as [Client]
    if (this.#holdMs > 0 && this.isHolding && !client.isReady) this.#heldUntil = monotonicMs() + this.#holdMs
    return client
  }

  /**
   * The index of one that is free in the server too, if there is one. The one that was used last comes first,
   * also if it has just been lost: connections from before an outage can be dead, and would be tried one by one.
   */
  get #next(): number {
    if (this.#holdMs > 0 && monotonicMs() < this.#heldUntil)
      return this.#idle.findLastIndex(({ isReady }) => isReady)
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
