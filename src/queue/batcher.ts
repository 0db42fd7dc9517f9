// Sends jobs that are ready, in batches. Promises: a batch holds operations of one verb on distinct keys; an
// idle lane sends at once instead of waiting for more jobs; and a job that fails for its own data, or whose
// row somebody else holds, delays or fails no other. Must not know what an operation means, nor SQL.
//
// Up to `lanes.read` batches of reads and `lanes.write` batches of writes are under way at once. Jobs whose
// row somebody else holds have a lane of their own: it sends one batch at a time, after a pause.

import type { Job, JobResults, Sender } from './job.ts'
import type { Time } from './time.ts'

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
  readonly passesOverHeld: boolean
}

export interface BatcherOptions<Op, Answer> {
  readonly time: Time
  /** How many batches of each kind may be under way at once. */
  readonly lanes: { readonly read: number; readonly write: number }
  /** A batch is closed at this many keys. */
  readonly maxKeys: number
  /** A batch is closed before its size exceeds this; a batch of one key may exceed it. */
  readonly maxSize: number
  isRead(op: Op): boolean
  /** What an operation adds to the size of its batch, or of the batch's answer. */
  size(op: Op): number
  /** Whether a held job may keep a connection while it waits for its lock. */
  readonly mayWaitForLocks: boolean
  /** How long to wait before a job is tried again whose row somebody else held. */
  readonly heldPauseMs: number
  /** Resolves with the answers, in the order of the keys. */
  run(batch: Batch<Op>): Promise<readonly Answer[]>
  /**
   * What has to be done after this answer before the operation is complete, if anything. Callers, and later
   * operations on the key, wait for it. If it rejects, the callers get its error.
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

interface Lane<Op, Answer> {
  /** How many more batches may be under way. */
  freeSlots: number
  jobs: Job<Op, Answer>[]
  /** Whether a turn is scheduled that sends what it holds. */
  scheduled: boolean
}

type LaneName = 'read' | 'write' | 'held'

export class Batcher<Op extends { readonly verb: string }, Answer> implements Sender<Op, Answer> {
  readonly #options: BatcherOptions<Op, Answer>
  readonly #results: JobResults<Op, Answer>
  readonly #lanes: Readonly<Record<LaneName, Lane<Op, Answer>>>

  constructor(options: BatcherOptions<Op, Answer>, results: JobResults<Op, Answer>) {
    this.#options = options
    this.#results = results
    const lane = (freeSlots: number): Lane<Op, Answer> => ({ freeSlots, jobs: [], scheduled: false })
    this.#lanes = { read: lane(options.lanes.read), write: lane(options.lanes.write), held: lane(1) }
  }

  add(job: Job<Op, Answer>): void {
    const lane = job.held ? 'held' : this.#options.isRead(job.op as Op) ? 'read' : 'write'
    this.#lanes[lane].jobs.push(job)
    this.#schedule(lane)
  }

  /**
   * Sends the lane's jobs once the event loop has handled what it has already received, so that requests
   * which came in together are sent together.
   *
   * Held jobs are sent after a pause instead. Waiting for the lock in the server would keep a connection
   * busy.
   */
  #schedule(name: LaneName): void {
    const lane = this.#lanes[name]
    if (lane.scheduled || lane.jobs.length === 0) return
    lane.scheduled = true
    const send = () => {
      lane.scheduled = false
      while (lane.freeSlots > 0 && lane.jobs.length > 0) {
        // A job that only polls never finds the lock free when others queue for it, so now and then one waits
        // in line. By chance, as taking turns could fall in step with the verbs of the jobs.
        const isPatient = name === 'held' && this.#options.mayWaitForLocks && Math.random() < 0.5
        const batch = this.#takeBatch(lane, isPatient ? 1 : this.#options.maxKeys)
        if (batch.length === 0) return
        lane.freeSlots--
        void this.#send(batch, name === 'held' && !isPatient, isPatient).finally(() => {
          lane.freeSlots++
          this.#schedule(name)
        })
      }
    }
    const { time, heldPauseMs } = this.#options
    if (name === 'held') time.startTimer(send, heldPauseMs)
    else time.soon(send)
  }

  /**
   * Takes out the jobs of one verb that have been ready longest, as many as fit. Drops jobs without callers.
   */
  #takeBatch(lane: Lane<Op, Answer>, maxKeys: number): Job<Op, Answer>[] {
    const { maxSize, size } = this.#options
    const batch: Job<Op, Answer>[] = []
    const rest: Job<Op, Answer>[] = []
    let total = 0
    let full = false
    for (const job of lane.jobs) {
      if (job.callers.length === 0) continue
      const op = job.op as Op
      const [first] = batch
      if (first && (full || op.verb !== first.op?.verb)) {
        rest.push(job)
        continue
      }
      total += size(op)
      full = total >= maxSize || batch.length + 1 === maxKeys
      if (first && total > maxSize) {
        rest.push(job)
        continue
      }
      job.sent = true
      batch.push(job)
    }
    lane.jobs = rest
    return batch
  }

  async #send(batch: Job<Op, Answer>[], passesOverHeld: boolean, isPatient = false): Promise<void> {
    const alone: Promise<void>[] = []
    await this.#try(batch, passesOverHeld, isPatient, alone)
    await Promise.all(alone)
  }

  /** @param alone gets what is still under way, of members that were sent alone */
  async #try(
    batch: Job<Op, Answer>[],
    passesOverHeld: boolean,
    isPatient: boolean,
    alone: Promise<void>[],
  ): Promise<void> {
    const { run, isOfOneMember, isTooLate, isLockTimeout, isHeld } = this.#options
    try {
      const answers = await run({
        keys: batch.map((job) => job.key),
        ops: batch.map((job) => job.op as Op),
        // A job's callers are in the order in which they came, so its last one waits longest.
        until: Math.max(...batch.map((job) => job.callers.at(-1)?.until ?? 0)),
        effectUntil: Math.min(...batch.map((job) => job.callers[0]?.until ?? Number.POSITIVE_INFINITY)),
        passesOverHeld,
        isPatient,
      })
      for (const [i, job] of batch.entries()) {
        const answer = answers[i] as Answer
        if (passesOverHeld && isHeld(answer)) this.#retryHeld(job)
        else this.#complete(job, answer)
      }
    } catch (error) {
      const lockTimedOut = isLockTimeout(error)
      if (isTooLate(error)) {
        // Again, without what the callers asked for whose time is over.
        for (const job of batch) this.#results.requeue(job, job.op as Op)
      } else if (batch.length > 1 && lockTimedOut && !passesOverHeld) {
        await this.#resend(batch, true, alone)
      } else if (batch.length > 1 && (lockTimedOut || isOfOneMember(error))) {
        // Halve the batch until the member at fault stands alone. The others succeed after few statements.
        // One that stands alone can be tried again until its deadline. No other waits for it.
        const half = batch.length >> 1
        for (const part of [batch.slice(0, half), batch.slice(half)]) {
          const sent = this.#resend(part, passesOverHeld, alone)
          if (part.length === 1) alone.push(sent)
          else await sent
        }
      } else {
        for (const job of batch) {
          if (lockTimedOut) this.#retryHeld(job)
          else this.#results.fail(job, error, isOfOneMember(error))
        }
      }
    }
  }

  /** Without what callers asked for whose time is over by now. What is left can be of another verb. */
  async #resend(batch: Job<Op, Answer>[], passesOverHeld: boolean, alone: Promise<void>[]): Promise<void> {
    const verb = batch[0]?.op?.verb
    const wanted = batch.filter((job) => this.#results.refresh(job))
    for (const job of wanted) if (job.op?.verb !== verb) this.#results.requeue(job, job.op as Op)
    const same = wanted.filter((job) => job.sent)
    if (same.length > 0) await this.#try(same, passesOverHeld, false, alone)
  }

  #retryHeld(job: Job<Op, Answer>): void {
    job.held = true
    this.#results.requeue(job, job.op as Op)
  }

  #complete(job: Job<Op, Answer>, answer: Answer): void {
    job.held = false
    // In the context of the call: it may need the user's serializer.
    const [caller] = job.callers
    const followUp = caller?.runInAsyncScope(() => this.#options.followUp(job.op as Op, answer))
    if (!followUp) this.#results.answer(job, answer)
    followUp?.then(
      (op) => this.#results.requeue(job, op),
      (error) => this.#results.fail(job, error),
    )
  }
}
