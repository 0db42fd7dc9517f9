// Turns concurrent operations on keys into batches. Promises: operations on one key take effect in the order submitted,
// each caller is answered once and within the timeout, and an idle lane sends without waiting for company.
// Must not know what an operation means, nor SQL, nor Postgres.
//
// Each key with something to do has a chain of entries. Only the first of a chain is ever on its way, so nothing can
// overtake it, in whatever lane it travels. An operation either folds into the last entry of its chain, if that one has
// not left yet, or becomes a new entry behind it.

import { Deadlines } from './deadlines.ts'

export interface Batch<Op> {
  /** All of one verb, of distinct keys. */
  readonly keys: readonly string[]
  readonly ops: readonly Op[]
  /** When the last caller stops waiting, in ms since 1970. */
  readonly until: number
}

export interface LanesOptions<Op, Answer> {
  /** How many batches of each kind may be on their way at once. */
  readonly lanes: { readonly read: number; readonly write: number }
  readonly timeoutMs: number
  /** A batch is closed at this many keys, or when its weight exceeds this; one key always fits. */
  readonly maxKeys: number
  readonly maxWeight: number
  kind(op: Op): 'read' | 'write'
  weigh(op: Op): number
  /** The one operation that two in a row amount to, if there is one. Both are of the same kind then. */
  fold(earlier: Op, later: Op): Op | undefined
  /** Answers in the order of the keys. */
  run(batch: Batch<Op>): Promise<readonly Answer[]>
  /** Whether a batch failed with this because of what one of its members holds. */
  isOfOneMember(error: unknown): boolean
  /** Whether it failed because somebody else keeps what one of its keys needs. That one is tried again, by itself. */
  isHeldUp(error: unknown): boolean
  timedOut(): Error
}

interface Caller<Answer> {
  resolve(answer: Answer): void
  reject(error: unknown): void
  readonly until: number
}

interface Entry<Op, Answer> {
  readonly key: string
  /** Undefined while a promise of it is pending. */
  op: Op | undefined
  callers: Caller<Answer>[]
  sent: boolean
  /** Was held up: shares no batch, so that it holds up nobody else. */
  alone: boolean
}

interface Lane<Op, Answer> {
  free: number
  waiting: Entry<Op, Answer>[]
  scheduled: boolean
}

export class Lanes<Op extends { readonly verb: string }, Answer> {
  readonly #options: LanesOptions<Op, Answer>
  // An object, and no Set or Map in this room: where keys come and go fast, each of their tables links to the one that
  // replaced it, so a dead one that the garbage collector has not looked at yet keeps alive all that came after it.
  readonly #chains: Record<string, Entry<Op, Answer>[]> = Object.create(null)
  readonly #lanes: Readonly<Record<'read' | 'write', Lane<Op, Answer>>>
  #gate: Promise<unknown> | undefined
  readonly #deadlines: Deadlines
  readonly #graceMs: number

  constructor(options: LanesOptions<Op, Answer>) {
    this.#options = options
    this.#graceMs = options.timeoutMs / 100
    this.#deadlines = new Deadlines((now) => this.#sweep(now), this.#graceMs)
    const lane = (free: number): Lane<Op, Answer> => ({ free, waiting: [], scheduled: false })
    this.#lanes = { read: lane(options.lanes.read), write: lane(options.lanes.write) }
  }

  /** Takes its place in the order of its key at once, also while the operation is only promised. */
  submit(key: string, op: Op | Promise<Op>): Promise<Answer> {
    return new Promise((resolve, reject) => this.ask(key, op, resolve, reject))
  }

  /**
   * The same without a promise: one that has waited long is in the old space, where it would keep its answer alive until
   * the next full garbage collection.
   */
  ask(
    key: string,
    op: Op | Promise<Op>,
    resolve: (answer: Answer) => void,
    reject: (error: unknown) => void,
  ): void {
    const caller = { resolve, reject, until: Date.now() + this.#options.timeoutMs }
    if (this.#gate === undefined) {
      this.#enter(key, op, caller)
      return
    }
    // What is promised may fail while nobody looks: it is looked at when its turn comes.
    if (op instanceof Promise) op.catch(() => {})
    void this.#gate.then(() => this.#enter(key, op, caller))
  }

  /** Resolves when all that was submitted before has ended, well or not. */
  async settled(): Promise<void> {
    await this.#gate
    const until = Date.now() + this.#options.timeoutMs
    const ends = Object.values(this.#chains).map(
      (chain) => new Promise((resolve, reject) => chain.at(-1)?.callers.push({ resolve, reject, until })),
    )
    await Promise.allSettled(ends)
  }

  /** Runs the task after all that was submitted before it and before all that is submitted after it, whatever the key. */
  alone<T>(task: () => Promise<T>): Promise<T> {
    const turn = this.settled().then(task)
    const gate = turn
      .catch(() => {})
      .then(() => {
        if (this.#gate === gate) this.#gate = undefined
      })
    this.#gate = gate
    return turn
  }

  #enter(key: string, op: Op | Promise<Op>, caller: Caller<Answer>): void {
    this.#deadlines.add(caller.until)
    const chain = this.#chains[key]
    const last = chain?.at(-1)
    if (last?.op !== undefined && !last.sent && !(op instanceof Promise)) {
      const folded = this.#options.fold(last.op, op)
      if (folded !== undefined) {
        last.op = folded
        last.callers.push(caller)
        return
      }
    }
    const entry: Entry<Op, Answer> = { key, op: undefined, callers: [caller], sent: false, alone: false }
    if (chain) chain.push(entry)
    else this.#chains[key] = [entry]
    if (op instanceof Promise) {
      op.then(
        (known) => this.#know(entry, known),
        (error) => this.#drop(entry, error),
      )
    } else {
      this.#know(entry, op)
    }
  }

  #know(entry: Entry<Op, Answer>, op: Op): void {
    entry.op = op
    this.#offer(entry)
  }

  /** Lets the entry leave with the next batch if it is the first of its chain and known. */
  #offer(entry: Entry<Op, Answer>): void {
    if (entry.op === undefined || this.#chains[entry.key]?.[0] !== entry) return
    const lane = this.#lanes[this.#options.kind(entry.op)]
    lane.waiting.push(entry)
    this.#schedule(lane)
  }

  /** After what the event loop has at hand, so that the requests that came in together travel together. */
  #schedule(lane: Lane<Op, Answer>): void {
    if (lane.scheduled) return
    lane.scheduled = true
    setImmediate(() => {
      lane.scheduled = false
      while (lane.free > 0 && lane.waiting.length > 0) {
        lane.free--
        void this.#send(this.#take(lane)).finally(() => {
          lane.free++
          this.#schedule(lane)
        })
      }
    })
  }

  /** The entries of one verb that have waited longest, as many as fit. */
  #take(lane: Lane<Op, Answer>): Entry<Op, Answer>[] {
    const { maxKeys, maxWeight, weigh } = this.#options
    const batch: Entry<Op, Answer>[] = []
    const others: Entry<Op, Answer>[] = []
    let weight = 0
    for (const entry of lane.waiting) {
      const op = entry.op as Op
      const [first] = batch
      weight += first && weight > maxWeight ? 0 : weigh(op)
      const fits = !entry.alone && !first?.alone && op.verb === first?.op?.verb && weight <= maxWeight
      if (!first || (fits && batch.length < maxKeys)) {
        entry.sent = true
        batch.push(entry)
      } else others.push(entry)
    }
    lane.waiting = others
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
      for (const [i, entry] of batch.entries())
        this.#end(entry, (caller) => caller.resolve(answers[i] as Answer))
    } catch (error) {
      const { isOfOneMember, isHeldUp } = this.#options
      const [first, ...others] = batch
      if (others.length > 0 && (isOfOneMember(error) || isHeldUp(error))) {
        // Halves, and halves of the half that fails: only the one at fault is concerned, after few statements.
        const half = batch.length >> 1
        await this.#send(batch.slice(0, half))
        await this.#send(batch.slice(half))
      } else if (first && isHeldUp(error)) {
        this.#putBack(first)
      } else {
        for (const entry of batch) this.#drop(entry, error)
      }
    }
  }

  /** To the end of the queue, for as long as anybody waits for it. */
  #putBack(entry: Entry<Op, Answer>): void {
    entry.sent = false
    entry.alone = true
    if (entry.callers.length > 0) this.#offer(entry)
    else this.#end(entry, () => {})
  }

  #drop(entry: Entry<Op, Answer>, error: unknown): void {
    this.#end(entry, (caller) => caller.reject(error))
  }

  /** Takes the entry out of its chain, answers its callers, and lets the next of the chain go. */
  #end(entry: Entry<Op, Answer>, answer: (caller: Caller<Answer>) => void): void {
    const chain = this.#chains[entry.key] ?? []
    const place = chain.indexOf(entry)
    if (place === -1) return
    chain.splice(place, 1)
    if (!chain[0]) delete this.#chains[entry.key]
    else if (place === 0) this.#offer(chain[0])
    // As with promises: what is old must not keep what is large.
    entry.op = undefined
    for (const caller of entry.callers) answer(caller)
  }

  /** Tells who has waited too long, and gives when the next one will have. */
  #sweep(now: number): number {
    let next = Number.POSITIVE_INFINITY
    for (const entry of Object.values(this.#chains).flat()) {
      // What is on its way ends by itself at that time, and knows why it took so long.
      const past = entry.sent ? now - this.#graceMs : now
      const late = entry.callers.filter((caller) => caller.until <= past)
      entry.callers = entry.callers.filter((caller) => caller.until > past)
      for (const caller of late) caller.reject(this.#options.timedOut())
      for (const caller of entry.callers) next = Math.min(next, caller.until)
      // Nobody waits for it any more, and it has not left: it need not.
      if (entry.callers.length === 0 && !entry.sent) {
        for (const lane of Object.values(this.#lanes))
          lane.waiting = lane.waiting.filter((other) => other !== entry)
        this.#end(entry, () => {})
      }
    }
    return next
  }
}
