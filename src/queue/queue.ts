// The order of operations on each key, and who waits for them. Promises: operations on one key become ready one after the
// other, in the order submitted; each caller is answered once, in its own async context and within the timeout; and no
// more wait than may.
// Must not know how what is ready is sent.
//
// Each key with something to do has a chain of entries. Only the first of a chain is ready, so nothing can overtake it. An
// operation either folds into the last entry of its chain, if that one has not left yet, or becomes a new one behind it.
// A task for all keys divides time into eras: it runs when all writes of the eras before have ended, and those of its own
// era leave when it has.

import { AsyncResource } from 'node:async_hooks'
import { Deadlines } from './deadlines.ts'
import type { Time } from './time.ts'

export interface QueueOptions<Op> {
  readonly time: Time
  readonly timeoutMs: number
  /** So many callers, or operations of so much weight, may wait; more are refused. */
  readonly maxWaiting: { readonly callers: number; readonly weight: number }
  /** What an operation takes while it waits. */
  weigh(op: Op): number
  /** A read waits for no task, and no task waits for it. */
  isRead(op: Op): boolean
  /** The one operation that two in a row amount to, if there is one. */
  fold(earlier: Op, later: Op): Op | undefined
  /** @param held somebody else kept it from being done */
  timedOut(held: boolean): Error
  busy(): Error
}

/** Somebody who waits. It is told in the async context in which it asked. */
class Caller<Answer> extends AsyncResource {
  readonly #resolve: (answer: Answer) => void
  readonly #reject: (error: unknown) => void
  /** In ms of the monotonic clock. */
  readonly until: number

  constructor(resolve: (answer: Answer) => void, reject: (error: unknown) => void, until: number) {
    // Registered for no hook on its garbage collection, which would cost more than all the rest.
    super('connect-postgres-simple', { requireManualDestroy: true })
    this.#resolve = resolve
    this.#reject = reject
    this.until = until
  }

  resolve(answer: Answer): void {
    this.runInAsyncScope(this.#resolve, undefined, answer)
  }

  reject(error: unknown): void {
    this.runInAsyncScope(this.#reject, undefined, error)
  }
}

/** The writes between two tasks for all keys. */
interface Era {
  /** Those that have not ended. */
  open: number
  /** Set by who waits for their end. */
  onEnd: (() => void) | undefined
  readonly gate: Gate
}

/** Shut while a task for all keys is to come or runs. */
interface Gate {
  /** Those that could leave but for the task; undefined where it is open. */
  waiting: Entry<any, any>[] | undefined
}

export interface Entry<Op, Answer> {
  readonly key: string
  /** Undefined while a promise of it is pending. */
  op: Op | undefined
  weight: number
  /** None: it has ended, and need not be sent any more. */
  callers: Caller<Answer>[]
  /** Of a write. */
  readonly era: Era | undefined
  /** It has left, and nothing can fold into it. */
  sent: boolean
  /** Somebody else keeps it from being done: it travels with its like, so that it holds up nobody else. */
  held: boolean
}

/** How an entry that is ready ends, or does not end yet. */
export interface Ends<Op, Answer> {
  /** It is done. */
  answer(entry: Entry<Op, Answer>, answer: Answer): void
  /** It failed for good. */
  fail(entry: Entry<Op, Answer>, error: unknown): void
  /** It is not done yet: ready again, as another operation, for as long as anybody waits for it. */
  requeue(entry: Entry<Op, Answer>, op: Op): void
}

/** Where entries go that are ready. */
export interface Sender<Op, Answer> {
  add(entry: Entry<Op, Answer>): void
}

export class Queue<Op, Answer> implements Ends<Op, Answer> {
  readonly #options: QueueOptions<Op>
  readonly #sender: Sender<Op, Answer>
  // An object, not a Map: where keys come and go fast, each table of a Map links to the one that replaced it, so a dead one
  // that the garbage collector has not looked at yet keeps alive all that came after it.
  readonly #chains: Record<string, Entry<Op, Answer>[]> = Object.create(null)
  readonly #waiting = { callers: 0, weight: 0 }
  #era: Era = { open: 0, onEnd: undefined, gate: { waiting: undefined } }
  /** Resolves when the writes and tasks of all eras before the present one have ended. Is kept: belongs to no request. */
  #earlier: Promise<void> = Promise.resolve()
  readonly #deadlines: Deadlines
  readonly #graceMs: number

  /** @param sender is made here, as it has to say how entries end */
  constructor(options: QueueOptions<Op>, sender: (ends: Ends<Op, Answer>) => Sender<Op, Answer>) {
    this.#options = options
    this.#sender = sender(this)
    this.#graceMs = options.timeoutMs / 100
    this.#deadlines = new Deadlines(options.time, (now) => this.#sweep(now), this.#graceMs)
  }

  /** Takes its place in the order of its key at once, also while the operation, a write, is only promised. */
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
    // What is promised may fail while nobody looks: it is looked at when its turn comes.
    if (op instanceof Promise) op.catch(() => {})
    if (this.#isFull()) {
      reject(this.#options.busy())
      return
    }
    this.#waiting.callers++
    this.#enter(
      key,
      op,
      new Caller(resolve, reject, this.#options.time.monotonicMs() + this.#options.timeoutMs),
    )
  }

  /** Resolves when all writes and tasks submitted before have ended, well or not. What comes later does not wait for it. */
  settled(): Promise<void> {
    const era = this.#era
    if (era.open === 0) return this.#earlier
    const ended = new Promise<void>((resolve) => {
      era.onEnd = resolve
    })
    this.#earlier = this.#options.time.inBackground(() => this.#earlier.then(() => ended))
    this.#era = { open: 0, onEnd: undefined, gate: era.gate }
    return this.#earlier
  }

  /** Runs the task when all writes that were submitted before have ended. */
  after<T>(task: () => Promise<T>): Promise<T> {
    if (this.#isFull()) return Promise.reject(this.#options.busy())
    this.#waiting.callers++
    return this.settled()
      .then(task)
      .finally(() => {
        this.#waiting.callers--
      })
  }

  /** The same, and all writes that are submitted after it wait for its end. */
  exclusively<T>(task: () => Promise<T>): Promise<T> {
    const turn = this.after(task)
    const gate: Gate = { waiting: [] }
    const open = () => {
      const { waiting } = gate
      gate.waiting = undefined
      for (const entry of waiting ?? []) this.#offer(entry)
    }
    this.#earlier = this.#options.time.inBackground(() =>
      Promise.allSettled([this.#earlier, turn]).then(open),
    )
    this.#era = { open: 0, onEnd: undefined, gate }
    return turn
  }

  #isFull(): boolean {
    const { callers, weight } = this.#options.maxWaiting
    return this.#waiting.callers >= callers || this.#waiting.weight >= weight
  }

  #enter(key: string, op: Op | Promise<Op>, caller: Caller<Answer>): void {
    this.#deadlines.add(caller.until)
    const era = op instanceof Promise || !this.#options.isRead(op) ? this.#era : undefined
    const chain = this.#chains[key]
    const last = chain?.at(-1)
    if (last?.op !== undefined && !last.sent && last.era === era && !(op instanceof Promise)) {
      const folded = this.#options.fold(last.op, op)
      if (folded !== undefined) {
        this.#become(last, folded)
        last.callers.push(caller)
        return
      }
    }
    const callers = [caller]
    const entry: Entry<Op, Answer> = { key, op: undefined, weight: 0, callers, era, sent: false, held: false }
    if (era) era.open++
    if (chain) chain.push(entry)
    else this.#chains[key] = [entry]
    if (op instanceof Promise) {
      op.then(
        (known) => this.#know(entry, known),
        (error) => this.fail(entry, error),
      )
    } else {
      this.#know(entry, op)
    }
  }

  #know(entry: Entry<Op, Answer>, op: Op): void {
    // It has ended meanwhile: it may not count as waiting for ever.
    if (entry.callers.length === 0) return
    this.#become(entry, op)
    this.#offer(entry)
  }

  #become(entry: Entry<Op, Answer>, op: Op | undefined): void {
    const weight = op === undefined ? 0 : this.#options.weigh(op)
    this.#waiting.weight += weight - entry.weight
    entry.weight = weight
    entry.op = op
  }

  /** Ready if it is the first of its chain, known, and behind no task. */
  #offer(entry: Entry<Op, Answer>): void {
    if (entry.op === undefined || this.#chains[entry.key]?.[0] !== entry) return
    const behind = entry.era?.gate.waiting
    if (behind) behind.push(entry)
    else this.#sender.add(entry)
  }

  requeue(entry: Entry<Op, Answer>, op: Op): void {
    entry.sent = false
    this.#become(entry, op)
    if (entry.callers.length > 0) this.#offer(entry)
    else this.#end(entry, () => {})
  }

  answer(entry: Entry<Op, Answer>, answer: Answer): void {
    this.#end(entry, (caller) => caller.resolve(answer))
  }

  fail(entry: Entry<Op, Answer>, error: unknown): void {
    this.#end(entry, (caller) => caller.reject(error))
  }

  /** Takes the entry out of its chain, answers its callers, and lets the next of the chain go. */
  #end(entry: Entry<Op, Answer>, tell: (caller: Caller<Answer>) => void): void {
    const chain = this.#chains[entry.key] ?? []
    const place = chain.indexOf(entry)
    if (place === -1) return
    chain.splice(place, 1)
    if (!chain[0]) delete this.#chains[entry.key]
    else if (place === 0) this.#offer(chain[0])
    // As with promises: what is old must not keep what is large.
    this.#become(entry, undefined)
    this.#waiting.callers -= entry.callers.length
    for (const caller of entry.callers) tell(caller)
    if (entry.era && --entry.era.open === 0) entry.era.onEnd?.()
  }

  /** Tells who has waited too long, and gives when the next one will have. */
  #sweep(now: number): number {
    let next = Number.POSITIVE_INFINITY
    for (const entry of Object.values(this.#chains).flat()) {
      // What is on its way ends by itself at that time, and knows why it took so long.
      const past = entry.sent ? now - this.#graceMs : now
      const late = entry.callers.filter((caller) => caller.until <= past)
      entry.callers = entry.callers.filter((caller) => caller.until > past)
      this.#waiting.callers -= late.length
      for (const caller of late) caller.reject(this.#options.timedOut(entry.held))
      for (const caller of entry.callers) next = Math.min(next, caller.until)
      // Nobody waits for it any more, and it has not left: it need not.
      if (entry.callers.length === 0 && !entry.sent) this.#end(entry, () => {})
    }
    return next
  }
}
