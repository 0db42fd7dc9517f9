// Which sids this process has logged out lately. Promises that no logout is overlooked: where one may be
// forgotten, the answer is that there was one. Must not know sessions, rows or when anything expires.

/** At least so many logouts are remembered by their sid. */
const REMEMBERED = 50_000

export class Logouts {
  readonly #remembered: number
  #count = 0
  /**
   * The number of each sid's last logout. Two generations: when the later one is full, the earlier one is
   * forgotten. Objects, not Maps: a sid is often a slice of a header, which a key of a Map keeps alive.
   */
  #later: Record<string, number> = Object.create(null)
  #earlier: Record<string, number> = Object.create(null)
  #laterBegan = 0
  /** The number of the last logout that may be forgotten. */
  #forgotten = 0

  constructor(remembered: number = REMEMBERED) {
    this.#remembered = remembered
  }

  /** How many logouts there were. A caller that keeps this number can ask later what happened since. */
  get count(): number {
    return this.#count
  }

  add(sid: string): void {
    if (this.#count - this.#laterBegan >= this.#remembered) {
      this.#forgotten = this.#laterBegan
      this.#laterBegan = this.#count
      this.#earlier = this.#later
      this.#later = Object.create(null)
    }
    this.#later[sid] = ++this.#count
  }

  /** Logs out everybody. */
  addAll(): void {
    this.#count++
    this.#forgotten = this.#count
    this.#laterBegan = this.#count
    this.#later = Object.create(null)
    this.#earlier = Object.create(null)
  }

  /** @param count when the session was loaded */
  since(count: number, sid: string): boolean {
    return (this.#later[sid] ?? this.#earlier[sid] ?? this.#forgotten) > count
  }
}

/** One for all stores of the process, as two of them may be on one table. */
export const logouts: Logouts = new Logouts()
