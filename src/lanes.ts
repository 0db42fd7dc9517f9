// Turns concurrent operations on keys into batches. Promises: operations on one key take effect in the order submitted, in
// whatever lane they travel, and an idle lane sends without waiting for company.
// Must not know what an operation means, nor SQL, nor Postgres.

import { Chains, type ChainsOptions, type Entry } from './chains.ts'
import { soon } from './clock.ts'

export interface Batch<Op> {
  /** All of one verb, of distinct keys. */
  readonly keys: readonly string[]
  readonly ops: readonly Op[]
  /** When the last caller stops waiting, in ms of the monotonic clock. */
  readonly until: number
}

export interface LanesOptions<Op, Answer> extends ChainsOptions<Op> {
  /** How many batches of each kind may be on their way at once. */
  readonly lanes: { readonly read: number; readonly write: number }
  /** A batch is closed at this many keys, or when its weight exceeds this; one key always fits. */
  readonly maxKeys: number
  readonly maxWeight: number
  /** Two that fold are of the same kind. */
  kind(op: Op): 'read' | 'write'
  /** Answers in the order of the keys. */
  run(batch: Batch<Op>): Promise<readonly Answer[]>
  /**
   * What has to follow an answer before the operation is done, if anything: its callers wait on, and so does what was
   * submitted after it. @throws what the callers are told
   */
  again(op: Op, answer: Answer): Promise<Op> | undefined
  /** Whether a batch failed with this because of what one of its members holds. */
  isOfOneMember(error: unknown): boolean
  /** Whether it failed because somebody else keeps what one of its keys needs. That one is tried again, by itself. */
  isHeldUp(error: unknown): boolean
}

interface Lane<Op, Answer> {
  free: number
  ready: Entry<Op, Answer>[]
  scheduled: boolean
}

export class Lanes<Op extends { readonly verb: string }, Answer> {
  readonly #options: LanesOptions<Op, Answer>
  readonly #chains: Chains<Op, Answer>
  readonly #lanes: Readonly<Record<'read' | 'write', Lane<Op, Answer>>>

  constructor(options: LanesOptions<Op, Answer>) {
    this.#options = options
    const lane = (free: number): Lane<Op, Answer> => ({ free, ready: [], scheduled: false })
    this.#lanes = { read: lane(options.lanes.read), write: lane(options.lanes.write) }
    this.#chains = new Chains(options, (entry) => {
      const way = this.#lanes[options.kind(entry.op as Op)]
      way.ready.push(entry)
      this.#schedule(way)
    })
  }

  /** See `Chains`. */
  submit(key: string, op: Op | Promise<Op>): Promise<Answer> {
    return this.#chains.submit(key, op)
  }

  /** See `Chains`. */
  ask(...asked: Parameters<Chains<Op, Answer>['ask']>): void {
    this.#chains.ask(...asked)
  }

  /** Resolves when all that was submitted before has ended, well or not. */
  settled(): Promise<void> {
    return this.#chains.settled()
  }

  /** Runs the task after all that was submitted before it and before all that is submitted after it, whatever the key. */
  alone<T>(task: () => Promise<T>): Promise<T> {
    return this.#chains.alone(task)
  }

  /** After what the event loop has at hand, so that the requests that came in together travel together. */
  #schedule(lane: Lane<Op, Answer>): void {
    if (lane.scheduled) return
    lane.scheduled = true
    soon(() => {
      lane.scheduled = false
      while (lane.free > 0 && lane.ready.length > 0) {
        const batch = this.#take(lane)
        if (batch.length === 0) return
        lane.free--
        void this.#send(batch).finally(() => {
          lane.free++
          this.#schedule(lane)
        })
      }
    })
  }

  /** The entries of one verb that have been ready longest, as many as fit. */
  #take(lane: Lane<Op, Answer>): Entry<Op, Answer>[] {
    const { maxKeys, maxWeight, weigh } = this.#options
    const batch: Entry<Op, Answer>[] = []
    const others: Entry<Op, Answer>[] = []
    let weight = 0
    let full = false
    for (const entry of lane.ready) {
      if (entry.callers.length === 0) continue
      const op = entry.op as Op
      const [first] = batch
      if (first && (full || entry.alone || op.verb !== first.op?.verb)) {
        others.push(entry)
        continue
      }
      weight += weigh(op)
      full = entry.alone || weight >= maxWeight || batch.length + 1 === maxKeys
      if (first && weight > maxWeight) {
        others.push(entry)
        continue
      }
      entry.sent = true
      batch.push(entry)
    }
    lane.ready = others
    return batch
  }

  async #send(batch: Entry<Op, Answer>[]): Promise<void> {
    try {
      const answers = await this.#options.run({
        keys: batch.map((entry) => entry.key),
        ops: batch.map((entry) => entry.op as Op),
        // Callers come in the order of time: the last of an entry waits longest.
        until: Math.max(...batch.map((entry) => entry.callers.at(-1)?.until ?? 0)),
      })
      for (const [i, entry] of batch.entries()) this.#answered(entry, answers[i] as Answer)
    } catch (error) {
      const { isOfOneMember, isHeldUp } = this.#options
      const [first, ...others] = batch
      if (others.length > 0 && (isOfOneMember(error) || isHeldUp(error))) {
        // Halves, and halves of the half that fails: only the one at fault is concerned, after few statements.
        const half = batch.length >> 1
        await this.#send(batch.slice(0, half))
        await this.#send(batch.slice(half))
      } else if (first && isHeldUp(error)) {
        first.alone = true
        this.#chains.again(first, first.op as Op)
      } else {
        for (const entry of batch) this.#chains.drop(entry, error)
      }
    }
  }

  #answered(entry: Entry<Op, Answer>, answer: Answer): void {
    try {
      const again = this.#options.again(entry.op as Op, answer)
      if (!again) this.#chains.answer(entry, answer)
      again?.then(
        (op) => this.#chains.again(entry, op),
        (error) => this.#chains.drop(entry, error),
      )
    } catch (error) {
      this.#chains.drop(entry, error)
    }
  }
}
