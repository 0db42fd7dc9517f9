// One search for the sessions of a user, in order with the writes of this process: it finds what the writes
// leave that were issued before it. Promises to wait for no other user's writes. Must not know what the
// sessions are wanted for.

import { monotonicMs, pause, startTimer, stopTimer } from '../clock.ts'
import { rowLocked, timedOut } from '../errors.ts'
import type { UserRow } from '../session/user.ts'
import { isOfUser, mayHoldId } from '../session/user.ts'
import type { Operation } from '../table/operations.ts'
import type { OperationQueue } from './operation-queue.ts'

// How long to wait before looking again which session an async serializer has made a text of.
const SERIALIZER_PAUSE_MS = 10

// What is under way has the same deadline, and fails with a more precise error.
const GRACE_MS = 100

type Write = OperationQueue['writes'][number]
type Caller = Write['callers'][number]
/** Whether what a caller of a write asked for has to be waited for. */
type Concerns = (caller: Caller, write: Write) => boolean

export interface SearchOptions {
  readonly id: string
  readonly userIdPath: readonly string[]
  /** When it ends at the latest, in ms of the monotonic clock. */
  readonly until: number
  /** When the earlier calls that destroy this user's sessions have ended. Undefined if there is none. */
  readonly destroyed: Promise<unknown> | undefined
  /** The user's rows as they are, the last to end first. */
  find(): Promise<UserRow[]>
}

export class UserSearch {
  readonly #options: SearchOptions
  readonly #queue: OperationQueue
  /** Who was waiting for a write when the search began. */
  readonly #earlier: ReadonlySet<Caller>
  /** The sids that such a write may make the user's. */
  readonly #earlierSids: ReadonlySet<string>
  /** The sids that were stored as new sessions since then. */
  readonly #stored = new Set<string>()
  /** The sids of the rows that were given out. */
  readonly #given = new Set<string>()
  #isComplete = false

  constructor(queue: OperationQueue, options: SearchOptions) {
    this.#queue = queue
    this.#options = options
    this.#earlier = new Set(queue.writes.flatMap(({ callers }) => callers))
    this.#earlierSids = this.#pendingSids((op) => this.#mayMakeOfUser(op))
  }

  /** To be told of each new session that is stored from now on. */
  stored(sid: string): void {
    this.#stored.add(sid)
  }

  /** Whether the session began after the search, as one of a login that came after it. */
  isLater(sid: string): boolean {
    return this.#stored.has(sid) && !this.#earlierSids.has(sid)
  }

  /**
   * The rows that are the user's, and that no earlier write can make somebody else's. Waits for no write, so
   * that a locked row keeps nobody from the others.
   */
  async present(): Promise<UserRow[]> {
    const pending = this.#pendingSids((op) => this.#mayMakeOfUser(op))
    // Once such a write has ended it is too late to ask.
    const doubtful = this.#pendingSids((op) => op?.verb !== 'touch' && !this.#isOfUser(op))
    const found = await this.#options.find()
    const rows = found.filter(({ sid }) => !doubtful.has(sid))
    for (const { sid } of rows) this.#given.add(sid)
    this.#isComplete = rows.length === found.length && [...pending].every((sid) => this.#given.has(sid))
    return rows
  }

  /**
   * The rows that were not given out yet, as the earlier writes leave them. Waits for the calls that destroy
   * the user's sessions, for the writes that may make a row the user's, and then for all on the rows that
   * were found.
   * @throws StoreError STORE_TIMEOUT
   */
  async rest(): Promise<UserRow[]> {
    if (this.#isComplete) return []
    const rows = await this.#inTime(this.#afterWrites())
    return rows.filter(({ sid }) => !this.#given.has(sid))
  }

  async #afterWrites(): Promise<UserRow[]> {
    await this.#options.destroyed
    await this.#ended(this.#concerns((op) => this.#mayMakeOfUser(op)))
    // One that ends during the search may have ended too late for it.
    const unfinished = this.#pendingSids(() => true)
    const rows = await this.#options.find()
    const sids = new Set(rows.map(({ sid }) => sid))
    if (![...unfinished].some((sid) => sids.has(sid))) return rows
    await this.#ended((caller, { key }) => this.#isAwaited(caller, key) && sids.has(key))
    return this.#options.find()
  }

  /** Nothing that was given out is waited for. */
  #isAwaited(caller: Caller, sid: string): boolean {
    return this.#earlier.has(caller) && !this.#given.has(sid)
  }

  /**
   * What a caller asked for counts also where another one's operation was folded over it: that one can fail.
   */
  #concerns(concernsOp: (op: Operation | undefined) => boolean): Concerns {
    return (caller, { key, op }) => this.#isAwaited(caller, key) && [op, caller.op].some(concernsOp)
  }

  #isEarlier({ callers }: Write): boolean {
    return callers.some((caller) => this.#earlier.has(caller))
  }

  #pendingSids(concernsOp: (op: Operation | undefined) => boolean): Set<string> {
    return new Set(this.#writes(this.#concerns(concernsOp)).map(({ key }) => key))
  }

  #writes(concerns: Concerns): Write[] {
    return this.#queue.writes.filter((write) => write.callers.some((caller) => concerns(caller, write)))
  }

  /** Waits also where the queue goes on with a caller's operation in another job. */
  async #ended(concerns: Concerns): Promise<void> {
    for (let writes = this.#writes(concerns); writes.length > 0; writes = this.#writes(concerns)) {
      const ended = this.#queue.ended(writes)
      // A write with an async serializer may turn out to be another user's.
      const isKnown = writes.every(({ op }) => op)
      await (isKnown ? ended : Promise.race([ended, pause(SERIALIZER_PAUSE_MS)]))
    }
  }

  /** @param op undefined while an async serializer makes its text */
  #mayMakeOfUser(op: Operation | undefined): boolean {
    return op === undefined || this.#isOfUser(op)
  }

  #isOfUser(op: Operation | undefined): boolean {
    const { id, userIdPath } = this.#options
    return op !== undefined && 'sess' in op && mayHoldId(op.sess, id) && isOfUser(op.sess, userIdPath, id)
  }

  /**
   * Later writes to a locked row join the earlier ones that are waited for, and can have more time than these.
   */
  #inTime<T>(work: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const onDeadline = () => {
        if (this.#queue.writes.some((write) => write.held && this.#isEarlier(write)))
          reject(timedOut(rowLocked()))
        else timer = startTimer(() => reject(timedOut()), GRACE_MS)
      }
      let timer = startTimer(onDeadline, this.#options.until - monotonicMs())
      work.then(resolve, reject).finally(() => stopTimer(timer))
    })
  }
}
