// Where tasks that concern all keys stand among the writes. Promises: a task starts when all earlier writes
// have ended, and the writes after an exclusive task start when it has ended. Must not know keys or
// operations.
//
// Such tasks divide time into eras:
//
//   writes of era 1  |  task  |  writes of era 2
//                       ^ starts when era 1 has no unfinished write
//                                ^ held back by a gate while the task is exclusive and has not ended

import type { Time } from './time.ts'

/** The writes between two tasks. */
export interface Era<Write> {
  /** How many of its writes have not ended. */
  unfinished: number
  /** Called when none is left; set by the task that waits for that. */
  onEnd: (() => void) | undefined
  readonly gate: Gate<Write>
}

/** Shut from the moment an exclusive task is asked for until it has ended. */
interface Gate<Write> {
  /** The writes that will be sent when it opens; undefined while it is open. */
  waiting: Write[] | undefined
}

export class Eras<Write> {
  readonly #inBackground: Time['inBackground']
  #current: Era<Write> = { unfinished: 0, onEnd: undefined, gate: { waiting: undefined } }
  /** Resolves when the writes and tasks of all eras before the current one have ended. */
  #earlierEnded: Promise<void> = Promise.resolve()

  constructor({ inBackground }: Time) {
    this.#inBackground = inBackground
  }

  get current(): Era<Write> {
    return this.#current
  }

  /**
   * Resolves when all writes and tasks so far have ended, successfully or not. Later ones do not wait for it.
   */
  settled(): Promise<void> {
    const era = this.#current
    if (era.unfinished === 0) return this.#earlierEnded
    const ended = new Promise<void>((resolve) => {
      era.onEnd = resolve
    })
    // In the background, because the promise is kept and must not keep one request's async context alive.
    this.#earlierEnded = this.#inBackground(() => this.#earlierEnded.then(() => ended))
    this.#current = { unfinished: 0, onEnd: undefined, gate: era.gate }
    return this.#earlierEnded
  }

  /**
   * Starts an era whose writes are held back until the task has ended, successfully or not.
   * @param task which has waited until all before it has `settled`
   * @param release is called then, with each of the writes
   */
  beginAfter(task: Promise<unknown>, release: (write: Write) => void): void {
    const gate: Gate<Write> = { waiting: [] }
    const open = () => {
      const { waiting } = gate
      gate.waiting = undefined
      for (const write of waiting ?? []) release(write)
    }
    this.#earlierEnded = this.#inBackground(() => task.then(open, open))
    this.#current = { unfinished: 0, onEnd: undefined, gate }
  }
}
