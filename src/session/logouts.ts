// Remembers which sids this process has logged out. Promises that no logout is overlooked: if one may have
// been forgotten, the answer is that there was one. Must not know sessions, rows or when anything expires.

/** How many of the latest logouts are remembered by their sid, at least: 50,000, each of which is added twice. */
const REMEMBERED = 100_000

export class Logouts {
  readonly #remembered: number
  #count = 0
  /**
   * The number of each sid's last logout, in two generations: when the later one is full, the earlier one is
   * forgotten. They are objects, not Maps: a sid is often a slice of a request's header, and a Map's key
   * keeps the whole header alive, where an object's key is a copy (seen on Node 20.20).
   */
  #later: Record<string, number> = Object.create(null)
  #earlier: Record<string, number> = Object.create(null)
  #laterBegan = 0
  /** The number of the latest logout that may have been forgotten. */
  #forgotten = 0

  constructor(remembered: number = REMEMBERED) {
    this.#remembered = remembered
  }

  /** How many logouts there were. A caller can keep this number, to ask later what happened since. */
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

  /** Counts as a logout of every sid. */
  addAll(): void {
    this.#count++
    this.#forgotten = this.#count
    this.#laterBegan = this.#count
    this.#later = Object.create(null)
    this.#earlier = Object.create(null)
  }

  /** Whether the sid was logged out since. @param count the value of `count` when the session was loaded */
  since(count: number, sid: string): boolean {
    return (this.#later[sid] ?? this.#earlier[sid] ?? this.#forgotten) > count
  }
}

/** Shared by all stores of the process, as two of them may use the same table. */
export const logouts: Logouts = new Logouts()
