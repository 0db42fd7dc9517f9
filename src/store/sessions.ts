// The sessions of one table: sids and sessions in, sessions out. Joins the rooms below: an operation goes
// through the queue to the table in a batch, and its row comes back as a session. Promises what each method
// of the store promises. Must not know Express, callbacks or the driver.

import type { SessionData } from 'express-session'
import { Pool } from '../connection/pool.ts'
import { codeOf } from '../errors.ts'
import type { Events } from '../events.ts'
import { deletes } from '../pruning/deletes.ts'
import { Pruner } from '../pruning/pruner.ts'
import { expiredTeller } from '../session/expired.ts'
import { LoadedSessions } from '../session/loaded.ts'
import { logouts } from '../session/logouts.ts'
import { Reader } from '../session/reader.ts'
import { Saves } from '../session/saves.ts'
import { checkSid } from '../session/sid.ts'
import type { Settings } from '../settings/settings.ts'
import type { Answer } from '../table/answers.ts'
import { rowOf } from '../table/row.ts'
import { Table } from '../table/table.ts'
import { UserRows } from '../table/user-rows.ts'
import { Counters } from '../tracing/counters.ts'
import type { OperationTrace } from '../tracing/operation.ts'
import { ByUser } from './by-user.ts'
import { Calls } from './calls.ts'
import { type Health, HealthCheck } from './health.ts'
import { type OperationQueue, operationQueue } from './operation-queue.ts'
import { type Stats, statsOf } from './stats.ts'
import { UserIndexing } from './user-indexing.ts'
import { WholeTable } from './whole-table.ts'

export class Sessions {
  readonly #events: Events
  readonly counters: Counters = new Counters()
  readonly #pool: Pool
  readonly #table: Table
  readonly #queue: OperationQueue
  readonly #pruner: Pruner
  readonly #reader: Reader
  readonly #saves: Saves
  readonly #calls: Calls
  /** The calls that concern all sessions. */
  readonly wholeTable: WholeTable
  /** The calls that concern the sessions of one user. */
  readonly byUser: ByUser
  readonly #userIndexing: UserIndexing
  readonly #healthCheck: HealthCheck

  /** Opens no connection yet. @throws TypeError for an instance or address that cannot be used */
  constructor(settings: Settings, events: Events) {
    this.#events = events
    this.#pool = new Pool(settings, this.counters)
    this.#table = new Table(settings, this.#pool)
    const onPruned = (count: number) => {
      this.counters.pruned += count
    }
    const witness = { isPresent: () => events.hasListener('expire'), tell: expiredTeller(settings, events) }
    // The pool has reported that no server can be reached.
    const isKnown = (error: unknown) => this.#pool.isOfOutage(codeOf(error))
    this.#pruner = new Pruner({ ...settings, onPruned, isKnown }, deletes(this.#table, witness))
    this.#calls = new Calls(() => this.#pruner.start())
    const loaded = new LoadedSessions()
    this.#reader = new Reader(settings, loaded)
    this.#saves = new Saves(settings, loaded)
    this.#queue = operationQueue(settings, this.#table, this.counters, {
      usualLength: () => this.#reader.usualLength,
      timedOut: () => this.#pool.timedOut(),
    })
    this.wholeTable = new WholeTable(
      this.#table,
      this.#queue,
      this.#calls,
      this.#reader,
      events,
      settings.errorLog,
    )
    const userRows = new UserRows(this.#table, settings)
    this.byUser = new ByUser(this.#table, userRows, this.#queue, this.#calls, this.#reader, events, settings)
    this.#userIndexing = new UserIndexing(settings, this.#table, userRows, this.counters)
    this.#healthCheck = new HealthCheck({
      table: this.#table,
      waiting: () => this.#queue.waiting,
      connections: () => this.#pool.connections,
      isReady: () => this.#pool.isReady,
      timedOut: () => this.#pool.timedOut(),
    })
  }

  /** Takes callbacks, as a promise could keep the session's text alive: see `Queue.ask`. */
  get(
    sid: string,
    resolve: (session: SessionData | null) => void,
    reject: (error: unknown) => void,
    trace?: OperationTrace,
  ): void {
    // Taken before the row is read: a logout that is issued in the meantime counts as later than this read.
    const logoutCount = logouts.count
    const onAnswer = (columns: Answer) => {
      if (!columns) trace?.absent()
      try {
        const session = columns ? this.#reader.read(rowOf(columns), logoutCount) : null
        if (session instanceof Promise) session.then(resolve, reject)
        else resolve(session)
      } catch (error) {
        reject(error)
      }
    }
    try {
      this.#admit(sid)
      this.#queue.ask(sid, { verb: 'get' }, onAnswer, reject, trace?.sent)
    } catch (error) {
      reject(error)
    }
  }

  async set(sid: string, session: SessionData, trace?: OperationTrace): Promise<void> {
    this.#admit(sid)
    const save = this.#saves.save(sid, session)
    if (save.isNew) this.byUser.stored(sid)
    const answer = await this.#queue.submit(sid, save.operation, trace?.sent)
    if (!answer) trace?.absent()
    const learning = save.done(answer)
    if (learning !== undefined) await learning
  }

  async touch(sid: string, session: SessionData, trace?: OperationTrace): Promise<void> {
    this.#admit(sid)
    const touch = this.#saves.touch(sid, session)
    if (!touch) return
    const answer = await this.#queue.submit(sid, touch.operation, trace?.sent)
    if (!answer) trace?.absent()
    touch.done()
  }

  async destroy(sid: string, trace?: OperationTrace): Promise<void> {
    this.#admit(sid)
    logouts.add(sid)
    try {
      const answer = await this.#queue.submit(sid, { verb: 'destroy' }, trace?.sent)
      if (!answer) trace?.absent()
    } finally {
      // Once more, for what another store of this process has read of the row meanwhile.
      logouts.add(sid)
    }
    this.#events.tell('destroy', { sid })
  }

  async prune(): Promise<number> {
    this.#calls.start()
    return this.#calls.track(this.#pruner.prune())
  }

  async createTable(): Promise<void> {
    this.#calls.start()
    await this.#calls.track(this.#table.createTable())
  }

  async createUserIndex(): Promise<void> {
    this.#calls.start()
    await this.#calls.track(this.#userIndexing.create())
  }

  health(): Promise<Health> {
    return this.#calls.track(this.#healthCheck.ask(() => this.#calls.start()))
  }

  stats(): Stats {
    return statsOf(this.counters, this.#pool.connections, this.#queue.waiting)
  }

  close(): Promise<void> {
    return this.#calls.close(async (underWay) => {
      this.#pruner.stop()
      this.#userIndexing.stop()
      // This ends in time, as everything it waits for has a deadline.
      await Promise.allSettled([...underWay, this.#queue.idle()])
      await this.#pool.close()
    })
  }

  /** At the start of every call for one sid. @throws StoreError STORE_CLOSED or STORE_SID */
  #admit(sid: string): void {
    checkSid(sid)
    this.#calls.start()
  }
}
