// The order of the operations on each key, and the callers that wait for them. Promises: operations on one
// key become ready one after the other, in the order submitted; each caller is answered once, in its own
// async context and within the timeout; and no more callers wait than the limit allows. Must not know how
// jobs that are ready are sent.
//
// Each key with something to do has a chain of jobs. Only the first job of a chain is ready, so nothing can
// overtake it. A new operation is folded into the last job of the chain if that one has not been sent yet;
// otherwise it becomes a new job behind it. Tasks that concern all keys: see eras.ts.
//
//   submitted -> waiting in its chain -> ready (first in its chain, not behind an exclusive task)
//             -> sent -> answered or failed, or requeued and ready again

import { Caller } from './caller.ts'
import { Deadlines } from './deadlines.ts'
import { Eras } from './eras.ts'
import type { Job, JobResults, Sender } from './job.ts'
import type { Time } from './time.ts'

export interface QueueOptions<Op> {
  readonly time: Time
  /** How long a caller waits before it is told that the time is over. */
  readonly timeoutMs: number
  /** How many callers, or operations of how much weight in total, may wait. More are refused. */
  readonly maxWaiting: { readonly callers: number; readonly weight: number }
  /** How much memory an operation takes while it waits. */
  weigh(op: Op): number
  /** A read waits for no task that concerns all keys, and no such task waits for it. */
  isRead(op: Op): boolean
  /** One operation with the effect of both in a row; undefined if there is none. */
  fold(earlier: Op, later: Op): Op | undefined
  /** @param held whether the operation was not done because somebody else held its row */
  timedOut(held: boolean): Error
  busy(): Error
}

export class Queue<Op, Answer> implements JobResults<Op, Answer> {
  readonly #options: QueueOptions<Op>
  readonly #sender: Sender<Op, Answer>
  // An object, not a Map. Where keys come and go fast, a Map replaces its table often, and each old table
  // links to its successor: one dead table in V8's old space keeps all later ones alive until a full garbage
  // collection (seen on Node 20.20).
  readonly #chains: Record<string, Job<Op, Answer>[]> = Object.create(null)
  readonly #waiting = { callers: 0, weight: 0 }
  /** How many jobs have not ended. */
  #unfinished = 0
  #onIdle: (() => void) | undefined
  readonly #eras: Eras<Job<Op, Answer>>
  readonly #deadlines: Deadlines
  readonly #graceMs: number

  /** @param createSender gets the queue's side of the exchange, as the two need each other */
  constructor(
    options: QueueOptions<Op>,
    createSender: (results: JobResults<Op, Answer>) => Sender<Op, Answer>,
  ) {
    this.#options = options
    this.#sender = createSender(this)
    this.#eras = new Eras(options.time)
    this.#graceMs = options.timeoutMs / 100
    this.#deadlines = new Deadlines(options.time, (now) => this.#sweep(now), this.#graceMs)
  }

  /**
   * Submits an operation on a key and resolves with its answer. Its place in the order of its key is taken at
   * once, even while the operation (then a write) is only a promise.
   */
  submit(key: string, op: Op | Promise<Op>): Promise<Answer> {
    return new Promise((resolve, reject) => this.ask(key, op, resolve, reject))
  }

  /**
   * The same with callbacks. A promise that has waited long enough to be moved to V8's old space would keep
   * its answer alive until the next full garbage collection (seen on Node 20.20).
   */
  ask(
    key: string,
    op: Op | Promise<Op>,
    resolve: (answer: Answer) => void,
    reject: (error: unknown) => void,
  ): void {
    // The promise may reject before anybody awaits it. That must not be an unhandled rejection.
    if (op instanceof Promise) op.catch(() => {})
    if (this.#isFull()) {
      reject(this.#options.busy())
      return
    }
    this.#waiting.callers++
    const until = this.#options.time.monotonicMs() + this.#options.timeoutMs
    this.#enter(key, op, new Caller<Op, Answer>(resolve, reject, until))
  }

  /** Resolves when all writes and tasks submitted before have ended, successfully or not. */
  settled(): Promise<void> {
    return this.#eras.settled()
  }

  /** Resolves when nothing is left to do, reads included. Nothing may be submitted any more. */
  async idle(): Promise<void> {
    await this.settled()
    if (this.#unfinished === 0) return
    await new Promise<void>((resolve) => {
      this.#onIdle = resolve
    })
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

  /** The same, and all writes that are submitted after it wait until it has ended. */
  runExclusive<T>(task: () => Promise<T>): Promise<T> {
    if (this.#isFull()) return Promise.reject(this.#options.busy())
    const running = this.after(task)
    this.#eras.beginAfter(running, (job) => this.#sendIfReady(job))
    return running
  }

  #isFull(): boolean {
    const { callers, weight } = this.#options.maxWaiting
    return this.#waiting.callers >= callers || this.#waiting.weight >= weight
  }

  #enter(key: string, op: Op | Promise<Op>, caller: Caller<Op, Answer>): void {
    this.#deadlines.add(caller.until)
    const era = op instanceof Promise || !this.#options.isRead(op) ? this.#eras.current : undefined
    const chain = this.#chains[key]
    const last = chain?.at(-1)
    if (last?.op !== undefined && !last.sent && last.era === era && !(op instanceof Promise)) {
      const folded = this.#options.fold(last.op, op)
      if (folded !== undefined) {
        this.#setOp(last, folded)
        caller.op = op
        last.callers.push(caller)
        return
      }
    }
    const callers = [caller]
    const job: Job<Op, Answer> = {
      key,
      op: undefined,
      weight: 0,
      callers,
      era,
      sent: false,
      held: false,
      lostCallers: false,
    }
    if (era) era.unfinished++
    this.#unfinished++
    if (chain) chain.push(job)
    else this.#chains[key] = [job]
    if (op instanceof Promise) {
      op.then(
        (resolvedOp) => this.#start(job, resolvedOp),
        (error) => this.fail(job, error),
      )
    } else {
      this.#start(job, op)
    }
  }

  #start(job: Job<Op, Answer>, op: Op): void {
    // All its callers have timed out. Do not count its weight: nothing would ever subtract it again.
    const [caller] = job.callers
    if (!caller) return
    caller.op = op
    this.#setOp(job, op)
    this.#sendIfReady(job)
  }

  #setOp(job: Job<Op, Answer>, op: Op | undefined): void {
    const weight = op === undefined ? 0 : this.#options.weigh(op)
    this.#waiting.weight += weight - job.weight
    job.weight = weight
    job.op = op
  }

  /**
   * Sends a job that is the first of its chain and has its operation, unless an exclusive task comes first.
   */
  #sendIfReady(job: Job<Op, Answer>): void {
    if (job.op === undefined || this.#chains[job.key]?.[0] !== job) return
    const waiting = job.era?.gate.waiting
    if (waiting) waiting.push(job)
    else this.#sender.add(job)
  }

  requeue(job: Job<Op, Answer>, op: Op): void {
    job.sent = false
    this.#setOp(job, op)
    this.#dropLate(job, this.#options.time.monotonicMs())
    this.#sendIfReady(job)
  }

  /**
   * Rejects the callers of a job whose time is over, and leaves out what they asked for: it must not be
   * done after they were told that it failed.
   */
  #dropLate(job: Job<Op, Answer>, now: number): void {
    const late = job.callers.filter((caller) => caller.until <= now)
    if (late.length > 0) {
      job.callers = job.callers.filter((caller) => caller.until > now)
      this.#waiting.callers -= late.length
      for (const caller of late) caller.reject(this.#options.timedOut(job.held))
      job.lostCallers = true
    }
    if (job.sent) return
    if (job.callers.length === 0) this.#end(job, () => {})
    else if (job.lostCallers) this.#foldAnew(job)
  }

  #addBehind(job: Job<Op, Answer>, callers: Caller<Op, Answer>[]): void {
    const next: Job<Op, Answer> = { ...job, op: undefined, weight: 0, callers, sent: false, held: false }
    const chain = this.#chains[job.key] as Job<Op, Answer>[]
    chain.splice(chain.indexOf(job) + 1, 0, next)
    if (job.era) job.era.unfinished++
    this.#unfinished++
    this.#foldAnew(next)
  }

  /**
   * Gives the job what its callers asked for, as far as that folds; what does not becomes the next job of
   * its chain.
   */
  #foldAnew(job: Job<Op, Answer>): void {
    job.lostCallers = false
    const { callers } = job
    let folded = callers[0]?.op
    if (folded === undefined) return
    for (let i = 1; i < callers.length; i++) {
      const both = this.#options.fold(folded, callers[i]?.op as Op)
      if (both === undefined) {
        this.#addBehind(job, callers.splice(i))
        break
      }
      folded = both
    }
    this.#setOp(job, folded)
  }

  refresh(job: Job<Op, Answer>): boolean {
    job.sent = false
    this.#dropLate(job, this.#options.time.monotonicMs())
    job.sent = job.callers.length > 0
    return job.sent
  }

  answer(job: Job<Op, Answer>, answer: Answer): void {
    this.#end(job, (caller) => caller.resolve(answer))
  }

  fail(job: Job<Op, Answer>, error: unknown, isOwnFault = false): void {
    if (isOwnFault && job.lostCallers) {
      // It may be the fault of what they asked for.
      this.requeue(job, job.op as Op)
    } else if (isOwnFault && job.era && job.callers.length > 1) {
      // One after the other: what came before the operation at fault is done.
      const [first, ...rest] = job.callers
      job.callers = [first as Caller<Op, Answer>]
      this.#addBehind(job, rest)
      this.requeue(job, first?.op as Op)
    } else {
      this.#end(job, (caller) => caller.reject(error))
    }
  }

  /** Takes the job out of its chain, settles its callers, and sends the next job of the chain. */
  #end(job: Job<Op, Answer>, settle: (caller: Caller<Op, Answer>) => void): void {
    const chain = this.#chains[job.key] ?? []
    const place = chain.indexOf(job)
    if (place === -1) return
    chain.splice(place, 1)
    if (!chain[0]) delete this.#chains[job.key]
    else if (place === 0) this.#sendIfReady(chain[0])
    // Drop the operation: a long-lived job would keep the session's text alive.
    this.#setOp(job, undefined)
    this.#waiting.callers -= job.callers.length
    for (const caller of job.callers) settle(caller)
    if (job.era && --job.era.unfinished === 0) job.era.onEnd?.()
    if (--this.#unfinished === 0) this.#onIdle?.()
  }

  /** Rejects the callers whose time is over, and returns the next deadline. */
  #sweep(now: number): number {
    let next = Number.POSITIVE_INFINITY
    for (const job of Object.values(this.#chains).flat()) {
      // A job under way gets a little longer: it fails by itself at its deadline, with a more precise error.
      this.#dropLate(job, job.sent ? now - this.#graceMs : now)
      for (const caller of job.callers) next = Math.min(next, caller.until)
    }
    return next
  }
}
