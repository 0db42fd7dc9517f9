// A job: one operation on one key, with the callers that wait for its answer. Says also how the queue and
// the sender of its jobs call each other. Must not know what an operation means.

import type { Caller } from './caller.ts'
import type { Era } from './eras.ts'

export interface Job<Op, Answer> {
  readonly key: string
  /** Undefined while a promise of it is pending, and after the job has ended. */
  op: Op | undefined
  weight: number
  /** Empty once all have been answered; the job need not be sent any more. */
  callers: Caller<Op, Answer>[]
  /** Undefined for a read. */
  readonly era: Era<Job<Op, Answer>> | undefined
  /** It is under way, so no other operation can be folded into it. */
  sent: boolean
  /**
   * Somebody else was found to hold its row. It is batched with other held jobs, so that it delays no others.
   */
  held: boolean
  /** The time of some callers was over, and its operation still has what they asked for. */
  lostCallers: boolean
}

/** A job that waits in its chain for its operation, or for its turn. */
export function newJob<Op, Answer>(
  key: string,
  callers: Caller<Op, Answer>[],
  era: Job<Op, Answer>['era'],
): Job<Op, Answer> {
  return { key, op: undefined, weight: 0, callers, era, sent: false, held: false, lostCallers: false }
}

/** What the sender calls when it has tried to do a job. */
export interface JobResults<Op, Answer> {
  answer(job: Job<Op, Answer>, answer: Answer): void
  /**
   * Leaves out what callers asked for whose time is over. To be called before a job is sent another time.
   * @returns whether anything is left to do
   */
  refresh(job: Job<Op, Answer>): boolean
  /**
   * @param isOwnFault whether the job's own operation is the cause: if several were folded into it, some of
   *   them may succeed by themselves
   */
  fail(job: Job<Op, Answer>, error: unknown, isOwnFault?: boolean): void
  /**
   * The job is not done yet. It becomes ready again with this operation, while any caller waits for it.
   * What callers asked for whose time is over is left out.
   */
  requeue(job: Job<Op, Answer>, op: Op): void
}

/** Sends the jobs that the queue has found ready. */
export interface Sender<Op, Answer> {
  add(job: Job<Op, Answer>): void
}
