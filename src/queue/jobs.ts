// Which callers wait for which job, from the operation that they submit to their answer. Promises: each
// caller is answered once; a new operation is folded into a job that has not been sent, where that is
// possible; and what was asked for by callers whose time is over is not sent any more. Must not know how many
// callers may wait, nor how jobs are sent.
//
//   submitted -> folded into the last job of its chain, if that one has not been sent
//             -> or a job of its own: waiting in its chain -> ready -> sent -> answered or failed,
//                or requeued and ready again

import type { Caller } from './caller.ts'
import { Chains } from './chains.ts'
import type { Era } from './eras.ts'
import { type Job, type JobResults, newJob, type Sender } from './job.ts'
import type { Time } from './time.ts'

export interface JobsOptions<Op> {
  readonly time: Pick<Time, 'monotonicMs'>
  /** How much memory an operation takes while it waits. */
  weigh(op: Op): number
  /** One operation with the effect of both in a row; undefined if there is none. */
  fold(earlier: Op, later: Op): Op | undefined
  /** @param held whether the operation was not done because somebody else held its row */
  timedOut(held: boolean): Error
}

export class Jobs<Op, Answer> implements JobResults<Op, Answer> {
  readonly #options: JobsOptions<Op>
  readonly #chains: Chains<Op, Answer>
  /** How many callers wait, and how much their operations weigh. */
  readonly waiting = { callers: 0, weight: 0 }
  /** How many jobs have not ended. */
  #unfinished = 0
  #onIdle: (() => void) | undefined

  /** @param createSender gets the receiver of its results, as the two need each other */
  constructor(
    options: JobsOptions<Op>,
    createSender: (results: JobResults<Op, Answer>) => Sender<Op, Answer>,
  ) {
    this.#options = options
    this.#chains = new Chains(createSender(this))
  }

  /** Resolves when no job is left. */
  async idle(): Promise<void> {
    if (this.#unfinished === 0) return
    await new Promise<void>((resolve) => {
      this.#onIdle = resolve
    })
  }

  /** The writes that have not ended. */
  get writes(): Job<Op, Answer>[] {
    return this.#chains.jobs.filter(({ era }) => era !== undefined)
  }

  /** Resolves when these have ended. */
  async ended(jobs: readonly Job<Op, Answer>[]): Promise<void> {
    const end = (job: Job<Op, Answer>) =>
      new Promise<void>((resolve) => {
        const { onEnd } = job
        job.onEnd = () => {
          onEnd?.()
          resolve()
        }
      })
    await Promise.all(jobs.filter((job) => this.#chains.has(job)).map(end))
  }

  /** @param era undefined for a read */
  enter(
    key: string,
    op: Op | Promise<Op>,
    caller: Caller<Op, Answer>,
    era: Era<Job<Op, Answer>> | undefined,
  ): void {
    this.waiting.callers++
    const last = this.#chains.last(key)
    if (last?.op !== undefined && !last.sent && last.era === era && !(op instanceof Promise)) {
      const folded = this.#options.fold(last.op, op)
      if (folded !== undefined) {
        this.#setOp(last, folded)
        caller.op = op
        last.callers.push(caller)
        return
      }
    }
    const job = newJob(key, [caller], era)
    this.#count(job)
    this.#chains.append(job)
    if (op instanceof Promise) {
      op.then(
        (resolvedOp) => this.#start(job, resolvedOp),
        (error) => this.fail(job, error),
      )
    } else {
      this.#start(job, op)
    }
  }

  #count(job: Job<Op, Answer>): void {
    if (job.era) job.era.unfinished++
    this.#unfinished++
  }

  #start(job: Job<Op, Answer>, op: Op): void {
    // All its callers have timed out. Do not count its weight: nothing would ever subtract it again.
    const [caller] = job.callers
    if (!caller) return
    caller.op = op
    this.#setOp(job, op)
    this.release(job)
  }

  /** Sends a job if nothing comes before it. */
  release(job: Job<Op, Answer>): void {
    this.#chains.sendIfReady(job)
  }

  #setOp(job: Job<Op, Answer>, op: Op | undefined): void {
    const weight = op === undefined ? 0 : this.#options.weigh(op)
    this.waiting.weight += weight - job.weight
    job.weight = weight
    job.op = op
  }

  /**
   * Rejects the callers whose time is over. A job under way gets a little longer: it fails by itself at its
   * deadline, with a more precise error.
   * @returns the next deadline, or Infinity if there is none
   */
  sweep(now: number, graceMs: number): number {
    let next = Number.POSITIVE_INFINITY
    for (const job of this.#chains.jobs) {
      this.#dropLate(job, job.sent ? now - graceMs : now)
      for (const caller of job.callers) next = Math.min(next, caller.until)
    }
    return next
  }

  /**
   * Rejects the callers of a job whose time is over, and leaves out what they asked for: it must not be
   * done after they were told that it failed.
   */
  #dropLate(job: Job<Op, Answer>, now: number): void {
    const late = job.callers.filter((caller) => caller.until <= now)
    if (late.length > 0) {
      job.callers = job.callers.filter((caller) => caller.until > now)
      this.waiting.callers -= late.length
      for (const caller of late) caller.reject(this.#options.timedOut(job.held))
      job.lostCallers = true
    }
    if (job.sent) return
    if (job.callers.length === 0) this.#end(job, () => {})
    else if (job.lostCallers) this.#foldAnew(job)
  }

  /**
   * Gives the job what its callers asked for, as far as that folds; what does not becomes the next job of
   * its chain.
   */
  #foldAnew(job: Job<Op, Answer>): void {
    job.lostCallers = false
    const { callers } = job
    let folded = callers[0]?.op as Op
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

  #addBehind(job: Job<Op, Answer>, callers: Caller<Op, Answer>[]): void {
    const next = newJob(job.key, callers, job.era)
    this.#chains.insertBehind(job, next)
    this.#count(next)
    // Whoever waits for the job waits for all that it was to do.
    next.onEnd = job.onEnd
    job.onEnd = undefined
    this.#foldAnew(next)
  }

  requeue(job: Job<Op, Answer>, op: Op): void {
    job.sent = false
    this.#setOp(job, op)
    this.#dropLate(job, this.#options.time.monotonicMs())
    this.release(job)
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

  /** Takes the job out of its chain and settles its callers. */
  #end(job: Job<Op, Answer>, settle: (caller: Caller<Op, Answer>) => void): void {
    if (!this.#chains.remove(job)) return
    // Drop the operation: a long-lived job would keep the session's text alive.
    this.#setOp(job, undefined)
    this.waiting.callers -= job.callers.length
    for (const caller of job.callers) settle(caller)
    job.onEnd?.()
    if (job.era && --job.era.unfinished === 0) job.era.onEnd?.()
    if (--this.#unfinished === 0) this.#onIdle?.()
  }
}
