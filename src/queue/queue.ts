// Where callers submit operations on keys, and tasks that concern all keys. Promises: no more callers wait
// than the limit allows; each is answered in its own async context and within the timeout; operations on one
// key take effect in the order submitted; and a task stands between the writes before and after it. Must not
// know what operations mean, nor how they are sent.
//
// What happens to an operation: jobs.ts. The order on each key: chains.ts. Tasks: eras.ts.

import { CallbackCaller, type Caller, type OnSent } from './caller.ts'
import { Deadlines } from './deadlines.ts'
import { Eras } from './eras.ts'
import type { Job, JobResults, Sender } from './job.ts'
import { Jobs, type JobsOptions } from './jobs.ts'
import type { Time } from './time.ts'

export interface QueueOptions<Op> extends JobsOptions<Op> {
  readonly time: Time
  /** How long a caller waits before it is told that the time is over. */
  readonly timeoutMs: number
  /** How many callers, or operations of how much weight in total, may wait. More are refused. */
  readonly maxWaiting: { readonly callers: number; readonly weight: number }
  /** A read waits for no task that concerns all keys, and no such task waits for it. */
  isRead(op: Op): boolean
  busy(): Error
}

export class Queue<Op, Answer> {
  readonly #options: QueueOptions<Op>
  readonly #jobs: Jobs<Op, Answer>
  readonly #eras: Eras<Job<Op, Answer>>
  readonly #deadlines: Deadlines

  /** @param createSender gets the receiver of its results, as the two need each other */
  constructor(
    options: QueueOptions<Op>,
    createSender: (results: JobResults<Op, Answer>) => Sender<Op, Answer>,
  ) {
    this.#options = options
    this.#jobs = new Jobs(options, createSender)
    this.#eras = new Eras(options.time)
    const graceMs = options.timeoutMs / 100
    this.#deadlines = new Deadlines(options.time, (now) => this.#jobs.sweep(now, graceMs), graceMs)
  }

  /**
   * Submits an operation on a key and resolves with its answer. Its place in the order of its key is taken at
   * once, even while the operation (then a write) is only a promise.
   * @param until when the caller stops waiting, in ms of the monotonic clock
   */
  submit(
    key: string,
    op: Op | Promise<Op>,
    onSent?: OnSent,
    until: number = this.#deadline(),
  ): Promise<Answer> {
    // The promise may reject before anybody awaits it. That must not be an unhandled rejection.
    if (op instanceof Promise) op.catch(() => {})
    if (this.#isFull()) return Promise.reject(this.#options.busy())
    return new Promise((resolve, reject) => {
      this.#enter(key, op, { op: undefined, until, onSent, resolve, reject })
    })
  }

  /**
   * The same with callbacks. A promise that has waited long enough to be moved to V8's old space would keep
   * its answer alive until the next full garbage collection (seen on Node 20.20).
   */
  ask(
    key: string,
    op: Op,
    resolve: (answer: Answer) => void,
    reject: (error: unknown) => void,
    onSent?: OnSent,
  ): void {
    if (this.#isFull()) reject(this.#options.busy())
    else this.#enter(key, op, new CallbackCaller<Op, Answer>(resolve, reject, this.#deadline(), onSent))
  }

  /** How many callers wait for an answer. */
  get waiting(): number {
    return this.#jobs.waiting.callers
  }

  /** Resolves when nothing is left to do, reads included. Nothing may be submitted any more. */
  async idle(): Promise<void> {
    await this.#eras.settled()
    await this.#jobs.idle()
  }

  /** The writes that have not ended, in no particular order. */
  get writes(): readonly Job<Op, Answer>[] {
    return this.#jobs.writes
  }

  /**
   * Resolves when these writes have ended. Where a later one was folded into one of them, that one has ended
   * as well.
   */
  ended(writes: readonly Job<Op, Answer>[]): Promise<void> {
    return this.#jobs.ended(writes)
  }

  /**
   * Runs the task when all writes that were submitted before have ended.
   * @param writes those of them that it has to wait for, if not for all. While an exclusive task is under way
   *   it waits for all of them, as that one does.
   */
  after<T>(task: () => Promise<T>, writes?: readonly Job<Op, Answer>[]): Promise<T> {
    if (this.#isFull()) return Promise.reject(this.#options.busy())
    this.#jobs.waiting.callers++
    const earlier: Promise<unknown> =
      writes && !this.#eras.current.gate.waiting ? this.#jobs.ended(writes) : this.#eras.settled()
    return earlier.then(task).finally(() => {
      this.#jobs.waiting.callers--
    })
  }

  /** The same, and all writes that are submitted after it wait until it has ended. */
  runExclusive<T>(task: () => Promise<T>): Promise<T> {
    if (this.#isFull()) return Promise.reject(this.#options.busy())
    const running = this.after(task)
    this.#eras.beginAfter(running, (job) => this.#jobs.release(job))
    return running
  }

  #isFull(): boolean {
    const { callers, weight } = this.#options.maxWaiting
    const { waiting } = this.#jobs
    return waiting.callers >= callers || waiting.weight >= weight
  }

  #deadline(): number {
    return this.#options.time.monotonicMs() + this.#options.timeoutMs
  }

  #enter(key: string, op: Op | Promise<Op>, caller: Caller<Op, Answer>): void {
    this.#deadlines.add(caller.until)
    const isWrite = op instanceof Promise || !this.#options.isRead(op)
    this.#jobs.enter(key, op, caller, isWrite ? this.#eras.current : undefined)
  }
}
