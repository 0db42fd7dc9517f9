// Lets a few tasks run at a time, the others wait for their turn. Must not know what they do.

export class Turns {
  #free: number
  readonly #waiting: (() => void)[] = []

  /** @param atATime how many may run at once */
  constructor(atATime: number) {
    this.#free = atATime
  }

  async run<T>(task: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--
    else await new Promise<void>((resume) => this.#waiting.push(resume))
    try {
      return await task()
    } finally {
      const next = this.#waiting.shift()
      if (next) next()
      else this.#free++
    }
  }
}
