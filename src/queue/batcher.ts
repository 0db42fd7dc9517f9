// Puts jobs that are ready into batches. Promises: a batch holds operations of one verb on distinct keys; an
// idle lane sends at once instead of waiting for more jobs; and jobs whose row somebody else holds delay no
// others. Must not know what an operation means, nor what comes of a batch.
//
// Up to `lanes.read` batches of reads and `lanes.write` batches of writes are under way at once. Jobs whose
// row somebody else holds have a lane of their own: it sends one batch at a time, after a pause.

import type { Job, JobResults, Sender } from './job.ts'
import { Runner, type RunnerOptions } from './runner.ts'
import type { Time } from './time.ts'

export interface BatcherOptions<Op, Answer> extends RunnerOptions<Op, Answer> {
  readonly time: Pick<Time, 'soon' | 'startTimer'>
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
  readonly #runner: Runner<Op, Answer>
  readonly #lanes: Readonly<Record<LaneName, Lane<Op, Answer>>>

  constructor(options: BatcherOptions<Op, Answer>, results: JobResults<Op, Answer>) {
    this.#options = options
    this.#runner = new Runner(options, results)
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
        void this.#runner.run(batch, { skipsHeld: name === 'held' && !isPatient, isPatient }).finally(() => {
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
}
