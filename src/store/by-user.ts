// The calls that concern the sessions of one user. Promises that each sees what was issued before it on the
// user's sessions, that none of them waits for other users' writes, and that only sessions are given out or
// destroyed in which the user's id stands. Must not know Express, callbacks or the driver.

import { monotonicMs, now, startTimer, stopTimer } from '../clock.ts'
import { rowLocked, timedOut } from '../errors.ts'
import type { Events } from '../events.ts'
import { Turns } from '../queue/turns.ts'
import { type Entry, entries } from '../session/entries.ts'
import { logouts } from '../session/logouts.ts'
import type { Reader } from '../session/reader.ts'
import {
  checkDestroyOptions,
  checkUserId,
  type DestroyByUserOptions,
  isOfUser,
  mayHoldId,
  type Spared,
  sidsToDestroy,
  type UserId,
} from '../session/user.ts'
import type { Settings } from '../settings/settings.ts'
import type { Row } from '../table/row.ts'
import type { Table } from '../table/table.ts'
import type { UserRows } from '../table/user-rows.ts'
import type { Calls } from './calls.ts'
import type { OperationQueue } from './operation-queue.ts'

/**
 * Later writes to a locked row join the earlier ones that are waited for, and can have more time than these.
 */
function inTime<T>(work: Promise<T>, until: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = startTimer(() => reject(timedOut(rowLocked())), until - monotonicMs())
    work.then(resolve, reject).finally(() => stopTimer(timer))
  })
}

// How many sessions of a user are destroyed at once. There is a limit to how many operations may wait.
const SIDS_AT_A_TIME = 1000

type Write = OperationQueue['writes'][number]
/** Whether what a caller of this write asked for has to be waited for. */
type Concerns = (caller: Write['callers'][number], write: Write) => boolean

type UserSettings = Pick<Settings, 'userIdPath' | 'errorLog' | 'max'>

export class ByUser {
  readonly #table: Table
  readonly #userRows: UserRows
  readonly #queue: OperationQueue
  readonly #calls: Calls
  readonly #reader: Reader
  readonly #events: Events
  readonly #settings: UserSettings
  /** Without an index a search takes long. Connections have to be left for everything else. */
  readonly #turns: Turns

  constructor(
    table: Table,
    userRows: UserRows,
    queue: OperationQueue,
    calls: Calls,
    reader: Reader,
    events: Events,
    settings: UserSettings,
  ) {
    this.#userRows = userRows
    this.#table = table
    this.#queue = queue
    this.#calls = calls
    this.#reader = reader
    this.#events = events
    this.#settings = settings
    this.#turns = new Turns(Math.max(1, settings.max >> 1))
  }

  async entries(userId: UserId): Promise<Entry[]> {
    const id = this.#admit(userId)
    const { errorLog } = this.#settings
    const rowsAfter = () => this.#rows(id, now(), this.#table.deadline())
    const all: Entry[] = []
    // One page without a limit.
    const source = { limit: Number.POSITIVE_INFINITY, rowsAfter, reader: this.#reader, errorLog }
    for await (const entry of entries(source)) all.push(entry)
    return all
  }

  async ids(userId: UserId): Promise<string[]> {
    const id = this.#admit(userId)
    const rows = await this.#rows(id, now(), this.#table.deadline())
    return rows.map(([sid]) => sid)
  }

  async destroy(userId: UserId, options: DestroyByUserOptions = {}): Promise<number> {
    const spared = checkDestroyOptions(options)
    const id = this.#admit(userId)
    return this.#calls.track(this.#destroy(id, spared, this.#table.deadline()))
  }

  async #destroy(id: string, spared: Spared, until: number): Promise<number> {
    // Rows that have expired are destroyed as well: a request that loaded one before could store it again.
    const rows = await this.#rows(id, 0, until)
    const alive = new Set(rows.filter(([, , expire]) => Number(expire) >= now()).map(([sid]) => sid))
    const sids = sidsToDestroy(
      rows.map(([sid]) => sid),
      alive,
      spared,
    )
    const destroy = async (sid: string) => {
      logouts.add(sid)
      await this.#queue.submit(sid, { verb: 'destroy' }, undefined, until)
      this.#events.tell('destroy', { sid })
    }
    for (let i = 0; i < sids.length; i += SIDS_AT_A_TIME) {
      const results = await Promise.allSettled(sids.slice(i, i + SIDS_AT_A_TIME).map(destroy))
      // The first one is thrown after the others had their chance.
      for (const result of results) if (result.status === 'rejected') throw result.reason
    }
    return sids.filter((sid) => alive.has(sid)).length
  }

  /** @throws TypeError, or StoreError STORE_CLOSED */
  #admit(userId: UserId): string {
    const id = checkUserId(userId)
    this.#calls.start()
    return id
  }

  /**
   * The rows of a user, as the writes that were issued before leave them. Waits for the writes that may make
   * a row the user's, and then for all on the rows that were found. To wait for all writes, as the calls for
   * the whole table do, would let one locked row hold up every user.
   */
  #rows(id: string, aliveAt: number, until: number): Promise<Row[]> {
    const earlier = new Set(this.#queue.writes.flatMap(({ callers }) => callers))
    // What a caller asked for counts also where another one's operation was folded over it: that one can
    // fail. The operation of a write with an async serializer is not known yet.
    const mayMakeOfUser: Concerns = (caller, { op }) =>
      earlier.has(caller) &&
      [op, caller.op].some((each) => !each || ('sess' in each && mayHoldId(each.sess, id)))
    const find = async () => {
      const rows = await this.#turns.run(() => this.#userRows.find(id, aliveAt, until))
      return rows.filter(([, text]) => isOfUser(text, this.#settings.userIdPath, id))
    }
    const findAfterwards = async () => {
      await this.#ended(mayMakeOfUser)
      // One that ends during the search may have ended too late for it.
      const unfinished = this.#writes((caller) => earlier.has(caller)).map(({ key }) => key)
      const rows = await find()
      const sids = new Set(rows.map(([sid]) => sid))
      if (!unfinished.some((sid) => sids.has(sid))) return rows
      await this.#ended((caller, { key }) => earlier.has(caller) && sids.has(key))
      return find()
    }
    const searching = this.#queue.after(findAfterwards, this.#writes(mayMakeOfUser))
    return this.#calls.track(inTime(searching, until))
  }

  #writes(concerns: Concerns): Write[] {
    return this.#queue.writes.filter((write) => write.callers.some((caller) => concerns(caller, write)))
  }

  /** Waits also where the queue goes on with a caller's operation in another job. */
  async #ended(concerns: Concerns): Promise<void> {
    for (let writes = this.#writes(concerns); writes.length > 0; writes = this.#writes(concerns)) {
      await this.#queue.ended(writes)
    }
  }
}
