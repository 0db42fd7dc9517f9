// Turns concurrent operations on keys into batches. Promises: operations on one key take effect in the order submitted, in
// whatever lane they travel; an idle lane sends without waiting for company; and one that somebody else keeps from being
// done, or that fails for what it holds, concerns no other.
// Must not know what an operation means, nor SQL, nor Postgres.

import type { Ends, Entry, Sender } from './queue.ts'
import type { Time } from './time.ts'

export interface Batch<Op> {
  /** All of one verb, of distinct keys. */
  readonly keys: readonly string[]
  readonly ops: readonly Op[]
  /** When the last caller stops waiting, in ms of the monotonic clock. */
  readonly until: number
  /** Leave out what somebody else holds, and say so, instead of waiting for it. */
  readonly passesOverHeld: boolean
}

export interface BatcherOptions<Op, Answer> {
  readonly time: Time
  /** How many batches of each kind may be on their way at once. */
  readonly lanes: { readonly read: number; readonly write: number }
  /** A batch is closed at this many keys, or when its size exceeds this; one key always fits. */
  readonly maxKeys: number
  readonly maxSize: number
  isRead(op: Op): boolean
  /** What an operation adds to the size of a batch, or of its answer. */
  size(op: Op): number
  /** How long after it was found held an operation is tried again. */
  readonly heldPauseMs: number
  /** Answers in the order of the keys. */
  run(batch: Batch<Op>): Promise<readonly Answer[]>
  /**
   * What has to follow an answer before the operation is done, if anything: its callers wait on, and so does what was
   * submitted after it. Rejects with what the callers are told.
   */
  followUp(op: Op, answer: Answer): Promise<Op> | undefined
  /** Whether a batch failed with this because of what one of its members holds. */
  isOfOneMember(error: unknown): boolean
  /** Whether it failed because somebody else holds what one of its keys needs. */
  isHeldUp(error: unknown): boolean
  /** Whether the key was passed over for that. */
  isHeld(answer: Answer): boolean
}

interface Lane<Op, Answer> {
  free: number
  ready: Entry<Op, Answer>[]
  scheduled: boolean
}

type LaneName = 'read' | 'write' | 'held'

export class Batcher<Op extends { readonly verb: string }, Answer> implements Sender<Op, Answer> {
  readonly #options: BatcherOptions<Op, Answer>
  readonly #ends: Ends<Op, Answer>
  readonly #lanes: Readonly<Record<LaneName, Lane<Op, Answer>>>

  constructor(options: BatcherOptions<Op, Answer>, ends: Ends<Op, Answer>) {
    this.#options = options
    this.#ends = ends
    const lane = (free: number): Lane<Op, Answer> => ({ free, ready: [], scheduled: false })
    this.#lanes = { read: lane(options.lanes.read), write: lane(options.lanes.write), held: lane(1) }
  }

  add(entry: Entry<Op, Answer>): void {
    const lane = entry.held ? 'held' : this.#options.isRead(entry.op as Op) ? 'read' : 'write'
    this.#lanes[lane].ready.push(entry)
    this.#schedule(lane)
  }

  /**
   * After what the event loop has at hand, so that the requests that came in together travel together. What is held is not
   * waited for in the server, where it would keep a connection from others: it is asked for again after a pause.
   */
  #schedule(name: LaneName): void {
    const lane = this.#lanes[name]
    if (lane.scheduled || lane.ready.length === 0) return
    lane.scheduled = true
    const send = () => {
      lane.scheduled = false
      while (lane.free > 0 && lane.ready.length > 0) {
        const batch = this.#take(lane)
        if (batch.length === 0) return
        lane.free--
        void this.#send(batch, name === 'held').finally(() => {
          lane.free++
          this.#schedule(name)
        })
      }
    }
    const { time, heldPauseMs } = this.#options
    if (name === 'held') time.startTimer(send, heldPauseMs)
    else time.soon(send)
  }

  /** The entries of one verb that have been ready longest, as many as fit. */
  #take(lane: Lane<Op, Answer>): Entry<Op, Answer>[] {
    const { maxKeys, maxSize, size } = this.#options
    const batch: Entry<Op, Answer>[] = []
    const others: Entry<Op, Answer>[] = []
    let total = 0
    let full = false
    for (const entry of lane.ready) {
      if (entry.callers.length === 0) continue
      const op = entry.op as Op
      const [first] = batch
      if (first && (full || op.verb !== first.op?.verb)) {
        others.push(entry)
        continue
      }
      total += size(op)
      full = total >= maxSize || batch.length + 1 === maxKeys
      if (first && total > maxSize) {
        others.push(entry)
        continue
      }
      entry.sent = true
      batch.push(entry)
    }
    lane.ready = others
    return batch
  }

  async #send(batch: Entry<Op, Answer>[], passesOverHeld: boolean): Promise<void> {
    const { run, isOfOneMember, isHeldUp, isHeld } = this.#options
    try {
      const answers = await run({
        keys: batch.map((entry) => entry.key),
        ops: batch.map((entry) => entry.op as Op),
        // Callers come in the order of time: the last of an entry waits longest.
        until: Math.max(...batch.map((entry) => entry.callers.at(-1)?.until ?? 0)),
        passesOverHeld,
      })
      for (const [i, entry] of batch.entries()) {
        const answer = answers[i] as Answer
        if (passesOverHeld && isHeld(answer)) this.#hold(entry)
        else this.#answered(entry, answer)
      }
    } catch (error) {
      const isHeldUpNow = isHeldUp(error)
      if (batch.length > 1 && isHeldUpNow && !passesOverHeld) {
        await this.#send(batch, true)
      } else if (batch.length > 1 && (isHeldUpNow || isOfOneMember(error))) {
        // Halves, and halves of the half that fails: only the one at fault is concerned, after few statements.
        const half = batch.length >> 1
        await this.#send(batch.slice(0, half), passesOverHeld)
        await this.#send(batch.slice(half), passesOverHeld)
      } else {
        for (const entry of batch) {
          if (isHeldUpNow) this.#hold(entry)
          else this.#ends.fail(entry, error)
        }
      }
    }
  }

  /** To be tried again, in a batch of its like. */
  #hold(entry: Entry<Op, Answer>): void {
    entry.held = true
    this.#ends.requeue(entry, entry.op as Op)
  }

  #answered(entry: Entry<Op, Answer>, answer: Answer): void {
    entry.held = false
    const followUp = this.#options.followUp(entry.op as Op, answer)
    if (!followUp) this.#ends.answer(entry, answer)
    followUp?.then(
      (op) => this.#ends.requeue(entry, op),
      (error) => this.#ends.fail(entry, error),
    )
  }
}
