// The sessions of one table: sids and sessions in, sessions out. Joins the rooms below: an operation goes
// through the queue to the table in a batch, and its row comes back as a session. Promises what each method
// of the store promises. Must not know Express, callbacks or the driver.

import type { SessionData } from 'express-session'
import { now } from './clock.ts'
import { closed, codeOf, timedOut } from './errors.ts'
import type { Events } from './events.ts'
import { type OperationQueue, operationQueue } from './operation-queue.ts'
import { insertOf, replaceOf, storedText } from './session/conflicts.ts'
import { thisSecond } from './session/creation.ts'
import { type Entry, type EntrySource, entries } from './session/entries.ts'
import { expiredTeller } from './session/expired.ts'
import { expireAt } from './session/expiry.ts'
import { beginning, creationOf, encodeWithCreation, touchOf, withinLifetime } from './session/lifetime.ts'
import { type Loaded, LoadedSessions } from './session/loaded.ts'
import { logouts } from './session/logouts.ts'
import { Reader } from './session/reader.ts'
import { checkSid } from './session/sid.ts'
import { encode } from './session/text.ts'
import type { Settings } from './settings/settings.ts'
import { LOCK_NOT_AVAILABLE } from './sqlstate.ts'
import { deletes } from './table/deletes.ts'
import type { Operation } from './table/operations.ts'
import { Pruner } from './table/pruner.ts'
import { type Answer, milliseconds, rowOf } from './table/results.ts'
import { Table, type Values } from './table/table.ts'

// How many rows `all` and `entries` fetch at a time.
const ROWS_AT_A_TIME = 200

export class Sessions {
  readonly #settings: Settings
  readonly #events: Events
  /** Whether saves are compared with what the row holds. Only then are the texts of loaded sessions kept. */
  readonly #compares: boolean
  readonly #table: Table
  readonly #queue: OperationQueue
  readonly #pruner: Pruner
  readonly #loaded = new LoadedSessions()
  readonly #reader: Reader
  /** What `close` waits for, besides the queue. */
  readonly #underWay = new Set<Promise<unknown>>()
  #closing: Promise<void> | undefined

  /** Opens no connection yet. @throws TypeError for an instance or address that cannot be used */
  constructor(settings: Settings, events: Events) {
    this.#settings = settings
    this.#events = events
    this.#compares = settings.onConflict !== 'overwrite'
    this.#table = new Table(settings)
    // Failed prunes are not reported while no server can be reached: the pool has reported that already.
    const errorLog: Settings['errorLog'] = (...failure) => this.#table.isAway || settings.errorLog(...failure)
    this.#pruner = new Pruner(
      { ...settings, errorLog },
      deletes(this.#table, {
        isPresent: () => events.hasListener('expire'),
        tell: expiredTeller(settings, events),
      }),
    )
    this.#reader = new Reader(settings, this.#loaded)
    this.#queue = operationQueue(settings, this.#table, () => this.#reader.usualLength)
  }

  /** Takes callbacks, as a promise could keep the session's text alive: see `Queue.ask`. */
  get(sid: string, resolve: (session: SessionData | null) => void, reject: (error: unknown) => void): void {
    // Taken before the row is read: a logout that is issued in the meantime counts as later than this read.
    const logoutCount = logouts.count
    const onAnswer = (columns: Answer) => {
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
      this.#queue.ask(sid, { verb: 'get' }, onAnswer, reject)
    } catch (error) {
      reject(error)
    }
  }

  /**
   * A loaded session only updates its row, so that a destroyed row stays destroyed. Any other is upserted.
   */
  async set(sid: string, session: SessionData): Promise<void> {
    this.#admit(sid)
    const settings = this.#settings
    const fresh = settings.maxLifetime === undefined ? undefined : beginning()
    const loaded = this.#loaded.of(session, sid) ?? this.#loaded.adopt(session, sid, logouts.count, fresh)
    const created = (loaded?.creation ?? fresh)?.at
    const expire = withinLifetime(expireAt(session, sid, settings.ttl), created, settings)
    const mayInsert = !loaded || this.#mayBeMissing(loaded)
    const aliveAt = mayInsert ? 0 : now()
    const mayBeMissing = () => !loaded || this.#mayBeMissing(loaded)
    const operationOf = (sess: string): Operation => {
      if (loaded && this.#compares) return replaceOf(loaded, { sess, expire, aliveAt }, mayBeMissing)
      if (fresh && !loaded?.expire) return insertOf({ sess, expire, aliveAt }, mayBeMissing)
      return { verb: mayInsert ? 'upsert' : 'update', sess, expire, aliveAt }
    }
    const text =
      created === undefined
        ? encode(session, settings.serializer)
        : encodeWithCreation(session, created, settings)
    const operation = typeof text === 'string' ? operationOf(text) : text.then(operationOf)
    const answer = await this.#queue.submit(sid, operation)
    if (!loaded) return
    loaded.expire = expire
    const row = storedText(answer)
    if (created !== undefined) {
      // A row that was there already can be older than the session that was stored over it.
      const isOther = row !== undefined && row !== (await text)
      const at = isOther ? await creationOf(row, settings) : undefined
      loaded.creation = { at: at ?? created, isStored: true }
    }
    if (this.#compares && row !== undefined) loaded.texts = { base: await text, row }
  }

  async touch(sid: string, session: SessionData): Promise<void> {
    this.#admit(sid)
    const settings = this.#settings
    const loaded = this.#loaded.of(session, sid)
    const creation = loaded?.creation
    // Whether the row has to be read before it is touched, or has to learn when its session was created.
    const isUnknown = settings.maxLifetime !== undefined && !creation?.isStored
    if (settings.disableTouch && !(loaded && isUnknown)) return
    const wanted = settings.disableTouch && loaded ? loaded.expire : expireAt(session, sid, settings.ttl)
    const expire = withinLifetime(wanted, creation?.at, settings)
    // For a short session fewer touches are left out, so that it does not expire while it is in use.
    const interval = Math.min(settings.touchInterval, (expire - now()) / 10)
    if (loaded && !isUnknown && Math.abs(expire - loaded.expire) < interval) return
    // A row that was alive when it was loaded can still be touched if it expired during this request.
    const aliveAt = Math.min(now(), Math.floor(loaded?.expire || Number.POSITIVE_INFINITY))
    const touch = { verb: 'touch', expire, aliveAt } as const
    const at = creation?.at ?? thisSecond()
    await this.#queue.submit(sid, isUnknown ? touchOf(touch, at, settings) : touch)
    // A new session whose first save failed stays new, as a touch stores nothing.
    if (!loaded?.expire) return
    loaded.expire = expire
    if (isUnknown) loaded.creation = { at, isStored: true }
  }

  async destroy(sid: string): Promise<void> {
    this.#admit(sid)
    logouts.add(sid)
    await this.#queue.submit(sid, { verb: 'destroy' })
    this.#events.tell('destroy', { sid })
  }

  /** Lets the session that express-session has made of a loaded one count as loaded, too. */
  carry(from: object, to: object): void {
    this.#loaded.carry(from, to)
  }

  length(): Promise<number> {
    return this.#afterWrites((until) => this.#table.count('length', () => ({ now: now() }), until))
  }

  async ids(): Promise<string[]> {
    const rows = await this.#afterWrites((until) => this.#table.query('ids', () => ({ now: now() }), until))
    return rows.map(([sid]) => sid as string)
  }

  all(): Promise<SessionData[]> {
    return this.#afterWrites(async (until) => {
      const sessions: SessionData[] = []
      const rowsAfter = (sid: string) => this.#rowsAfter(sid, until)
      for await (const { session } of this.#entries(rowsAfter)) sessions.push(session)
      return sessions
    })
  }

  entries(): AsyncGenerator<Entry, void, undefined> {
    const rowsAfter = (sid: string) => this.#afterWrites((until) => this.#rowsAfter(sid, until))
    return this.#entries(rowsAfter)
  }

  async clear(): Promise<void> {
    this.#start()
    logouts.addAll()
    const until = this.#table.deadline()
    const values: Values = ({ leftMs, latest }) => ({ latest, lockWaitMs: milliseconds(leftMs) })
    const deleteAll = () => this.#table.count('clear', values, until)
    await this.#track(this.#queue.runExclusive(deleteAll))
      .catch((error) => {
        throw codeOf(error) === LOCK_NOT_AVAILABLE ? timedOut(error) : error
      })
      // Once more, for the sessions that were read while it waited.
      .finally(() => logouts.addAll())
    this.#events.tell('destroy', { sid: undefined })
  }

  async prune(): Promise<number> {
    this.#start()
    return this.#track(this.#pruner.prune())
  }

  async createTable(): Promise<void> {
    this.#start()
    await this.#track(this.#table.createTable())
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    this.#pruner.stop()
    // This ends in time, as everything it waits for has a deadline.
    await Promise.allSettled([...this.#underWay, this.#queue.idle()])
    await this.#table.close()
  }

  /** At the start of every call. @throws StoreError STORE_CLOSED */
  #start(): void {
    if (this.#closing !== undefined) throw closed()
    this.#pruner.start()
  }

  /** @throws StoreError STORE_CLOSED or STORE_SID */
  #admit(sid: string): void {
    checkSid(sid)
    this.#start()
  }

  /**
   * Whether the row can be missing because it expired and was pruned, and not because this process destroyed
   * it.
   */
  #mayBeMissing({ sid, expire, logouts: logoutCount }: Loaded): boolean {
    return expire < now() && !logouts.since(logoutCount, sid)
  }

  /**
   * Runs a read of the whole table after all writes that were issued before. It delays no write.
   * @param read gets the deadline, which counts from the call
   */
  async #afterWrites<T>(read: (until: number) => Promise<T>): Promise<T> {
    this.#start()
    const until = this.#table.deadline()
    return this.#track(this.#queue.after(() => read(until)))
  }

  async #track<T>(task: Promise<T>): Promise<T> {
    this.#underWay.add(task)
    try {
      return await task
    } finally {
      this.#underWay.delete(task)
    }
  }

  #entries(rowsAfter: EntrySource['rowsAfter']): AsyncGenerator<Entry, void, undefined> {
    const { errorLog } = this.#settings
    return entries({ limit: ROWS_AT_A_TIME, rowsAfter, reader: this.#reader, errorLog })
  }

  #rowsAfter(sid: string, until: number): Promise<NonNullable<Answer>[]> {
    const values = () => ({ now: now(), after: sid, limit: ROWS_AT_A_TIME })
    return this.#table.query('entriesAfter', values, until)
  }
}
