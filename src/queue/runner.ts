// Runs batches and tells the queue what became of each job. Promises that a job which fails for its own data,
// or whose row somebody else holds, fails or delays no other job of its batch. Must not know how batches are
// made up, nor what an operation means.

import type { Job, JobResults } from './job.ts'

export interface Batch<Op> {
  /** Distinct. */
  readonly keys: readonly string[]
  /** One for each key, all of one verb. */
  readonly ops: readonly Op[]
  /** When the last caller stops waiting, in ms of the monotonic clock. */
  readonly until: number
  /** When the first caller stops waiting. A batch that has not taken effect by then must not. */
  readonly effectUntil: number
  /** Whether to wait for locks longer than usual, as for a row that others lock one after the other. */
  readonly isPatient: boolean
  /** Whether to skip what somebody else holds, and to say so in the answer, instead of waiting for it. */
  readonly skipsHeld: boolean
}

export interface RunnerOptions<Op, Answer> {
  /** Resolves with the answers, in the order of the keys. */
  run(batch: Batch<Op>): Promise<readonly Answer[]>
  /**
   * What has to be done after this answer before the operation is complete, if anything. Callers, and later
   * operations on the key, wait for it. If it rejects, the callers get its error. Called in no particular
   * async context.
   */
  followUp(op: Op, answer: Answer): Promise<Op> | undefined
  /** Whether this error of a batch may come from the data of one of its members. */
  isOfOneMember(error: unknown): boolean
  /** Whether a batch had no effect because `effectUntil` was over. */
  isTooLate(error: unknown): boolean
  /** Whether a row lock was not granted in time. */
  isLockTimeout(error: unknown): boolean
  /** Whether this answer says that the key was skipped because somebody else held its row. */
  isHeld(answer: Answer): boolean
}

export class Runner<Op extends { readonly verb: string }, Answer> {
  readonly #options: RunnerOptions<Op, Answer>
  readonly #results: JobResults<Op, Answer>

  constructor(options: RunnerOptions<Op, Answer>, results: JobResults<Op, Answer>) {
    this.#options = options
    this.#results = results
  }

  /**
   * Runs a batch of jobs with operations of one verb. Resolves when each of them has its answer or error, or
   * was requeued.
   */
  async run(
    batch: readonly Job<Op, Answer>[],
    how: Pick<Batch<Op>, 'skipsHeld' | 'isPatient'>,
  ): Promise<void> {
    const alone: Promise<void>[] = []
    await this.#try(batch, how, alone)
    await Promise.all(alone)
  }

  /** @param alone gets what is still under way, of jobs that were sent alone */
  async #try(
    batch: readonly Job<Op, Answer>[],
    how: Pick<Batch<Op>, 'skipsHeld' | 'isPatient'>,
    alone: Promise<void>[],
  ): Promise<void> {
    const { run, isHeld } = this.#options
    for (const job of batch) for (const caller of job.callers) caller.onSent?.(batch.length)
    try {
      const answers = await run({
        keys: batch.map((job) => job.key),
        ops: batch.map((job) => job.op as Op),
        ...deadlinesOf(batch),
        ...how,
      })
      for (const [i, job] of batch.entries()) {
        const answer = answers[i] as Answer
        if (how.skipsHeld && isHeld(answer)) this.#retryHeld(job)
        else this.#complete(job, answer)
      }
    } catch (error) {
      await this.#recover(batch, how.skipsHeld, error, alone)
    }
  }

  async #recover(
    batch: readonly Job<Op, Answer>[],
    skipsHeld: boolean,
    error: unknown,
    alone: Promise<void>[],
  ): Promise<void> {
    const { isOfOneMember, isTooLate, isLockTimeout } = this.#options
    const lockTimedOut = isLockTimeout(error)
    if (isTooLate(error)) {
      // Again, without what the callers asked for whose time is over.
      for (const job of batch) this.#results.requeue(job, job.op as Op)
    } else if (batch.length > 1 && lockTimedOut && !skipsHeld) {
      await this.#runAgain(batch, true, alone)
    } else if (batch.length > 1 && (lockTimedOut || isOfOneMember(error))) {
      // Halve the batch until the member at fault stands alone. The others succeed after few statements.
      // One that stands alone can be tried again until its deadline. No other waits for it.
      const half = batch.length >> 1
      for (const part of [batch.slice(0, half), batch.slice(half)]) {
        const running = this.#runAgain(part, skipsHeld, alone)
        if (part.length === 1) alone.push(running)
        else await running
      }
    } else {
      for (const job of batch) {
        if (lockTimedOut) this.#retryHeld(job)
        else this.#results.fail(job, error, isOfOneMember(error))
      }
    }
  }

  /** Without what callers asked for whose time is over by now. What is left can be of another verb. */
  async #runAgain(
    batch: readonly Job<Op, Answer>[],
    skipsHeld: boolean,
    alone: Promise<void>[],
  ): Promise<void> {
    const verb = batch[0]?.op?.verb
    const wanted = batch.filter((job) => this.#results.refresh(job))
    for (const job of wanted) if (job.op?.verb !== verb) this.#results.requeue(job, job.op as Op)
    const same = wanted.filter((job) => job.sent)
    if (same.length > 0) await this.#try(same, { skipsHeld, isPatient: false }, alone)
  }

  #retryHeld(job: Job<Op, Answer>): void {
    job.held = true
    this.#results.requeue(job, job.op as Op)
  }

  #complete(job: Job<Op, Answer>, answer: Answer): void {
    job.held = false
    const followUp = this.#options.followUp(job.op as Op, answer)
    if (!followUp) this.#results.answer(job, answer)
    followUp?.then(
      (op) => this.#results.requeue(job, op),
      (error) => this.#results.fail(job, error),
    )
  }
}

/** A caller that came later can have an earlier deadline: see `Queue.submit`. */
function deadlinesOf<Op, Answer>(
  batch: readonly Job<Op, Answer>[],
): Pick<Batch<Op>, 'until' | 'effectUntil'> {
  let until = 0
  let effectUntil = Number.POSITIVE_INFINITY
  for (const { callers } of batch) {
    for (const caller of callers) {
      until = Math.max(until, caller.until)
      effectUntil = Math.min(effectUntil, caller.until)
    }
  }
  return { until, effectUntil }
}
