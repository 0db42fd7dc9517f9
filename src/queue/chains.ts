// The order of the jobs on each key. Promises that the jobs of one key become ready one after the other, in
// the order of their chain. Must not know what a job does, nor who waits for it.
//
// Each key with something to do has a chain of jobs. Only the first job of a chain is ready, so nothing can
// overtake it.

import type { Job, Sender } from './job.ts'

export class Chains<Op, Answer> {
  readonly #sender: Sender<Op, Answer>
  // An object, not a Map. Where keys come and go fast, a Map replaces its table often, and each old table
  // links to its successor: one dead table in V8's old space keeps all later ones alive until a full garbage
  // collection (seen on Node 20.20).
  readonly #chains: Record<string, Job<Op, Answer>[]> = Object.create(null)

  constructor(sender: Sender<Op, Answer>) {
    this.#sender = sender
  }

  /** All jobs that have not ended. */
  get jobs(): Job<Op, Answer>[] {
    return Object.values(this.#chains).flat()
  }

  last(key: string): Job<Op, Answer> | undefined {
    return this.#chains[key]?.at(-1)
  }

  /** Puts a job at the end of the chain of its key. */
  append(job: Job<Op, Answer>): void {
    const chain = this.#chains[job.key]
    if (chain) chain.push(job)
    else this.#chains[job.key] = [job]
  }

  insertBehind(job: Job<Op, Answer>, next: Job<Op, Answer>): void {
    const chain = this.#chains[job.key] as Job<Op, Answer>[]
    chain.splice(chain.indexOf(job) + 1, 0, next)
  }

  /**
   * Takes a job out of its chain, and sends the next one if that is ready now.
   * @returns whether the job was still there
   */
  remove(job: Job<Op, Answer>): boolean {
    const chain = this.#chains[job.key] ?? []
    const place = chain.indexOf(job)
    if (place === -1) return false
    chain.splice(place, 1)
    if (!chain[0]) delete this.#chains[job.key]
    else if (place === 0) this.sendIfReady(chain[0])
    return true
  }

  /**
   * Sends a job that is the first of its chain and has its operation, unless an exclusive task comes first.
   */
  sendIfReady(job: Job<Op, Answer>): void {
    if (job.op === undefined || this.#chains[job.key]?.[0] !== job) return
    const waiting = job.era?.gate.waiting
    if (waiting) waiting.push(job)
    else this.#sender.add(job)
  }
}
