// The table as the store sees it: sids and sessions in, sessions out. The room that joins the others: an operation goes
// from here through a lane to the table, in a batch, and its row comes back as a session.
// Must not know Express, callbacks or the driver.

import type { SessionData } from 'express-session'
import * as time from './clock.ts'
import { now } from './clock.ts'
import { type Columns, isAnswer } from './connection/query.ts'
import { busy, closed, codeOf, heldUp, timedOut } from './errors.ts'
import type { Settings } from './options.ts'
import { Batcher } from './queue/batcher.ts'
import { Queue } from './queue/queue.ts'
import { followUp, replaceOf, storedText } from './session/conflicts.ts'
import { expireAt } from './session/expiry.ts'
import { type Loaded, LoadedSessions } from './session/loaded.ts'
import { logouts } from './session/logouts.ts'
import { checkSid } from './session/sid.ts'
import { decode, encode, unreadable } from './session/text.ts'
import { isOfTheStatement, LOCK_NOT_AVAILABLE } from './sqlstate.ts'
import { deletes } from './table/deletes.ts'
import { fold, type Operation } from './table/operations.ts'
import { Pruner } from './table/pruner.ts'
import { isHeld, milliseconds, type Row, rowOf } from './table/results.ts'
import { Table, type Values } from './table/table.ts'

/** One row of the table, as `entries()` gives it. */
export interface Entry {
  sid: string
  session: SessionData
  /** When the row expires. An invalid date if the column holds `infinity`. */
  expires: Date
}

const PAGE_SIZE = 200

// After so long a row that somebody holds is asked for again.
const HELD_PAUSE_MS = 25

const isRead = (op: Operation) => op.verb === 'get'

export class Sessions {
  readonly #settings: Settings
  /** Texts are kept only where they are needed. */
  readonly #compares: boolean
  readonly #table: Table
  readonly #queue: Queue<Operation, Columns | undefined>
  readonly #pruner: Pruner
  readonly #loaded = new LoadedSessions()
  readonly #underWay = new Set<Promise<unknown>>()
  /** Of the sessions read lately, in characters: how long the next one is shows only when it is read. */
  #usualLength = 0
  #closing: Promise<void> | undefined

  constructor(settings: Settings) {
    this.#settings = settings
    this.#compares = settings.onConflict !== 'overwrite'
    this.#table = new Table(settings)
    // While the server cannot be reached, the connection has reported it already.
    const errorLog: Settings['errorLog'] = (...failure) => this.#table.isAway || settings.errorLog(...failure)
    this.#pruner = new Pruner({ ...settings, errorLog }, deletes(this.#table))
    this.#queue = new Queue(
      {
        time,
        timeoutMs: settings.timeoutMs,
        // Of a server that is away. Long before, an app has other troubles than its sessions.
        maxWaiting: { callers: 50_000, weight: 100_000_000 },
        isRead,
        weigh: (op) => ('sess' in op ? op.sess.length : 0),
        fold,
        timedOut: (held) => (held ? timedOut(heldUp()) : this.#table.timedOut()),
        busy,
      },
      (ends) =>
        new Batcher(
          {
            time,
            lanes: { read: Math.ceil(settings.max / 2), write: Math.max(1, settings.max >> 1) },
            // Large enough that the way to the server and back is a small part of the cost, small enough that of a few
            // hundred operations some are under way while the answers of others are read.
            maxKeys: 128,
            maxSize: 1_000_000,
            heldPauseMs: HELD_PAUSE_MS,
            isRead,
            // Of a get it is what its answer is likely to have: how much shows only when it is there.
            size: (op) => ('sess' in op ? op.sess.length : isRead(op) ? this.#usualLength : 0),
            run: (batch) =>
              this.#table.run(batch).catch((error) => {
                // The time was over while it asked for them again.
                if (batch.passesOverHeld && codeOf(error) === 'STORE_TIMEOUT') throw timedOut(heldUp())
                throw error
              }),
            followUp: (op, answer) => ('was' in op ? followUp(op, answer, settings) : undefined),
            isOfOneMember: (error) => isAnswer(error) && !isOfTheStatement(codeOf(error)),
            isLockTimeout: (error) => codeOf(error) === LOCK_NOT_AVAILABLE,
            isHeld,
          },
          ends,
        ),
    )
  }

  /** Gives the session by a call, not a promise: see `ask`. */
  get(sid: string, resolve: (session: SessionData | null) => void, reject: (error: unknown) => void): void {
    // Taken now: a logout that is issued while the row is read comes after it.
    const before = logouts.count
    const answer = (row: Columns | undefined) => {
      try {
        const session = row ? this.#session(rowOf(row), before) : null
        if (session instanceof Promise) session.then(resolve, reject)
        else resolve(session)
      } catch (error) {
        reject(error)
      }
    }
    try {
      this.#admit(sid)
      this.#queue.ask(sid, { verb: 'get' }, answer, reject)
    } catch (error) {
      reject(error)
    }
  }

  /** A loaded session updates its row, so that a destroyed one stays so. Any other is stored in any case. */
  async set(sid: string, session: SessionData): Promise<void> {
    this.#admit(sid)
    const loaded = this.#loaded.of(session, sid) ?? this.#loaded.adopt(session, sid, logouts.count)
    const expire = expireAt(session, sid, this.#settings.ttl)
    const inserts = !loaded || this.#mayBeMissing(loaded)
    const aliveAt = inserts ? 0 : now()
    const op = (sess: string): Operation =>
      loaded && this.#compares
        ? replaceOf(loaded, { sess, expire, aliveAt }, () => this.#mayBeMissing(loaded))
        : { verb: inserts ? 'upsert' : 'update', sess, expire, aliveAt }
    const text = encode(session, this.#settings.serializer)
    const answer = await this.#queue.submit(sid, typeof text === 'string' ? op(text) : text.then(op))
    if (!loaded) return
    loaded.expire = expire
    if (!this.#compares) return
    const row = storedText(answer)
    if (row !== undefined) loaded.texts = { base: await text, row }
  }

  async touch(sid: string, session: SessionData): Promise<void> {
    this.#admit(sid)
    if (this.#settings.disableTouch) return
    const loaded = this.#loaded.of(session, sid)
    const expire = expireAt(session, sid, this.#settings.ttl)
    // Of a short session less is kept back, so that it does not end while it is used.
    const interval = Math.min(this.#settings.touchInterval, (expire - now()) / 10)
    if (loaded && Math.abs(expire - loaded.expire) < interval) return
    // A row that was alive when loaded and expired of itself during the request is not gone for this request.
    const aliveAt = Math.min(now(), Math.floor(loaded?.expire || Number.POSITIVE_INFINITY))
    await this.#queue.submit(sid, { verb: 'touch', expire, aliveAt })
    // A touch stores nothing: a new session whose first save failed stays new.
    if (loaded?.expire) loaded.expire = expire
  }

  async destroy(sid: string): Promise<void> {
    this.#admit(sid)
    logouts.add(sid)
    await this.#queue.submit(sid, { verb: 'destroy' })
  }

  /** express-session made `to` of the object `from` that `get` gave. */
  carry(from: object, to: object): void {
    this.#loaded.carry(from, to)
  }

  length(): Promise<number> {
    return this.#seeing((until) => this.#table.count('length', () => ({ now: now() }), until))
  }

  async ids(): Promise<string[]> {
    const rows = await this.#seeing((until) => this.#table.query('ids', () => ({ now: now() }), until))
    return rows.map(([sid]) => sid as string)
  }

  all(): Promise<SessionData[]> {
    return this.#seeing(async (until) => {
      const sessions: SessionData[] = []
      for await (const { session } of this.#entries((after) => this.#page(after, until)))
        sessions.push(session)
      return sessions
    })
  }

  entries(): AsyncGenerator<Entry, void, undefined> {
    return this.#entries((after) => this.#seeing((until) => this.#page(after, until)))
  }

  async clear(): Promise<void> {
    this.#start()
    logouts.addAll()
    const until = this.#table.deadline()
    const values: Values = ({ leftMs, latest }) => ({ latest, lockWaitMs: milliseconds(leftMs) })
    const all = () => this.#table.count('clear', values, until)
    await this.#track(this.#queue.runExclusive(all))
      .catch((error) => {
        throw codeOf(error) === LOCK_NOT_AVAILABLE ? timedOut(error) : error
      })
      // Also what was read while it waited is gone.
      .finally(() => logouts.addAll())
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
    // Each has a deadline, so this has one.
    await Promise.allSettled([...this.#underWay, this.#queue.settled()])
    await this.#table.close()
  }

  #start(): void {
    if (this.#closing !== undefined) throw closed()
    this.#pruner.start()
  }

  /** A row that has expired since may have been pruned. It is not missing for that if we destroyed it. */
  #mayBeMissing({ sid, expire, logouts: before }: Loaded): boolean {
    return expire < now() && !logouts.since(before, sid)
  }

  #admit(sid: string): void {
    checkSid(sid)
    this.#start()
  }

  /**
   * Sees every write that was issued before, and keeps none from being done.
   * @param look is told the deadline, which counts from now
   */
  async #seeing<T>(look: (until: number) => Promise<T>): Promise<T> {
    this.#start()
    const until = this.#table.deadline()
    return this.#track(this.#queue.after(() => look(until)))
  }

  async #track<T>(task: Promise<T>): Promise<T> {
    this.#underWay.add(task)
    try {
      return await task
    } finally {
      this.#underWay.delete(task)
    }
  }

  /** Null if it has ended by its own clock. Is a promise only where the serializer is async: a promise less for each get. */
  #session([sid, text, expire]: Row, before: number): SessionData | null | Promise<SessionData | null> {
    if (text === null) throw unreadable('the column is null')
    this.#usualLength += (text.length - this.#usualLength) / 100
    const session = decode(text, Number(expire), this.#settings.serializer)
    const remember = (known: SessionData | null) => {
      const texts = this.#compares ? { base: text, row: text } : undefined
      if (known) this.#loaded.remember(known, sid, Number(expire), before, texts)
      return known
    }
    return session instanceof Promise ? session.then(remember) : remember(session)
  }

  /** What cannot be read is passed over: one such row is no reason to keep all others from being seen. */
  async *#entries(page: (after: string) => Promise<Columns[]>): AsyncGenerator<Entry, void, undefined> {
    for (let after = '', rows: Columns[]; ; ) {
      const before = logouts.count
      rows = await page(after)
      const failures: unknown[] = []
      for (const columns of rows) {
        const row = rowOf(columns)
        after = row[0]
        const read = async () => this.#session(row, before)
        const session = await read().catch((error) => void failures.push(error))
        if (session) yield { sid: after, session, expires: new Date(Number(row[2]) * 1000) }
      }
      const { length } = failures
      if (length > 0)
        this.#settings.errorLog(`Passed over ${length} sessions that cannot be read`, failures[0])
      if (rows.length < PAGE_SIZE) return
    }
  }

  #page(after: string, until: number): Promise<Columns[]> {
    return this.#table.query('page', () => ({ now: now(), after, limit: PAGE_SIZE }), until)
  }
}
