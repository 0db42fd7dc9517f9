// The table as the store sees it: sids and sessions in, sessions out. The room that joins the others: an operation goes
// from here through a lane to the database, in a batch, and its row comes back as a session.
// Must not know Express, callbacks or the driver.

import type { SessionData } from 'express-session'
import { milliseconds, type Row, rowOf } from './batches.ts'
import { merged, resolve } from './conflicts.ts'
import { codeOf, Database, LOCKED } from './database.ts'
import { deletes } from './deletes.ts'
import { busy, closed, timedOut } from './errors.ts'
import { Lanes } from './lanes.ts'
import { fold, type Operation, type Replace } from './operations.ts'
import type { Settings } from './options.ts'
import { Pruner } from './prune.ts'
import type { Columns } from './query.ts'
import { checkSid, decode, encode, expireAt, LoadedSessions, now } from './session.ts'

/** One row of the table, as `entries()` gives it. */
export interface Entry {
  sid: string
  session: SessionData
  /** When the row expires. An invalid date if the column holds `infinity`. */
  expires: Date
}

const PAGE_SIZE = 200

// 22 a value the types refuse, 23 a constraint, 54 a value too large for an index, P0 raised by a trigger, 57014 a
// `statement_timeout` of the server that ended the wait for a locked row.
const OF_ONE_MEMBER = /^(22|23|54|P0|57014)/

export class Rows {
  readonly #settings: Settings
  /** Texts are kept only where they are needed. */
  readonly #compares: boolean
  readonly #database: Database
  readonly #lanes: Lanes<Operation, Columns | undefined>
  readonly #pruner: Pruner
  readonly #loaded = new LoadedSessions()
  readonly #underWay = new Set<Promise<unknown>>()
  /** Of the sessions read lately, in characters: how long the next one is shows only when it is read. */
  #usualLength = 0
  #closing: Promise<void> | undefined

  constructor(settings: Settings) {
    this.#settings = settings
    this.#compares = settings.onConflict !== 'overwrite'
    this.#database = new Database(settings)
    this.#pruner = new Pruner(settings, deletes(this.#database))
    this.#lanes = new Lanes({
      lanes: { read: Math.ceil(settings.max / 2), write: Math.max(1, settings.max >> 1) },
      timeoutMs: settings.timeoutMs,
      // Large enough that the way to the server and back is a small part of the cost, small enough that of a few hundred
      // operations some are under way while the answers of others are read.
      maxKeys: 128,
      maxWeight: 1_000_000,
      // Of a server that is away. Long before, an app has other troubles than its sessions.
      maxWaiting: { callers: 50_000, weight: 100_000_000 },
      kind: (op) => (op.verb === 'get' ? 'read' : 'write'),
      weigh: (op) => ('sess' in op ? op.sess.length : op.verb === 'get' ? this.#usualLength : 0),
      fold,
      run: (batch) => this.#database.run(batch),
      again: (op, answer) =>
        op.verb === 'replace' && answer?.[1] === 'false'
          ? resolve(op, answer[2] as string, settings)
          : undefined,
      isOfOneMember: (error) => OF_ONE_MEMBER.test(codeOf(error)),
      isHeldUp: (error) => codeOf(error) === LOCKED,
      timedOut: () => this.#database.timedOut(),
      busy,
    })
  }

  /** Gives the session by a call, not a promise: see `ask`. */
  get(sid: string, resolve: (session: SessionData | null) => void, reject: (error: unknown) => void): void {
    const answer = (row: Columns | undefined) => {
      try {
        const session = row ? this.#session(rowOf(row)) : null
        if (session instanceof Promise) session.then(resolve, reject)
        else resolve(session)
      } catch (error) {
        reject(error)
      }
    }
    try {
      this.#begin(sid)
      this.#lanes.ask(sid, { verb: 'get' }, answer, reject)
    } catch (error) {
      reject(error)
    }
  }

  /** A loaded session updates its row, so that what was destroyed meanwhile stays so. Any other is stored in any case. */
  async set(sid: string, session: SessionData): Promise<void> {
    this.#begin(sid)
    const loaded = this.#loaded.of(session, sid)
    const expire = expireAt(session, sid, this.#settings.ttl)
    const time = now()
    // A row that expired since it was loaded may have been pruned: its absence is no logout.
    const known = loaded && loaded.expire >= time ? loaded : undefined
    const floor = known ? time : 0
    const op = (sess: string): Operation | Promise<Operation> => {
      if (!known) return { verb: 'upsert', sess, expire, floor }
      if (!known.texts) return { verb: 'update', sess, expire, floor }
      const { base, row: was } = known.texts
      const holds = () => known.texts?.row
      const replace: Replace = { verb: 'replace', sess, was, base, mine: sess, known: holds, expire, floor }
      return base === was ? replace : merged(replace, was, this.#settings.serializer)
    }
    const text = encode(session, this.#settings.serializer)
    const answer = await this.#lanes.submit(sid, typeof text === 'string' ? op(text) : text.then(op))
    if (!loaded) return
    loaded.expire = expire
    if (known?.texts && answer) loaded.texts = { base: await text, row: answer[2] as string }
  }

  async touch(sid: string, session: SessionData): Promise<void> {
    this.#begin(sid)
    if (this.#settings.disableTouch) return
    const loaded = this.#loaded.of(session, sid)
    const expire = expireAt(session, sid, this.#settings.ttl)
    if (loaded && Math.abs(expire - loaded.expire) < this.#settings.touchInterval) return
    // A row that was alive when loaded and expired of itself during the request is not gone for this request.
    const floor = Math.min(now(), Math.floor(loaded?.expire ?? Number.POSITIVE_INFINITY))
    await this.#lanes.submit(sid, { verb: 'touch', expire, floor })
    if (loaded) loaded.expire = expire
  }

  async destroy(sid: string): Promise<void> {
    this.#begin(sid)
    await this.#lanes.submit(sid, { verb: 'destroy' })
  }

  /** express-session made `to` of the object `from` that `get` gave. */
  carry(from: object, to: object): void {
    this.#loaded.carry(from, to)
  }

  async length(): Promise<number> {
    return this.#task(() => this.#database.count('length', () => [String(now())]))
  }

  async ids(): Promise<string[]> {
    const rows = await this.#task(() => this.#database.query('ids', () => [String(now())]))
    return rows.map(([sid]) => sid as string)
  }

  async all(): Promise<SessionData[]> {
    return this.#task(async () => {
      const until = this.#database.deadline()
      const sessions: SessionData[] = []
      for await (const { session } of this.#entries((after) => this.#page(after, until)))
        sessions.push(session)
      return sessions
    })
  }

  entries(): AsyncGenerator<Entry, void, undefined> {
    return this.#entries((after) => this.#task(() => this.#page(after, this.#database.deadline())))
  }

  async clear(): Promise<void> {
    this.#start()
    const all = () => this.#database.count('clear', ({ leftMs, latest }) => [latest, milliseconds(leftMs)])
    await this.#track(this.#lanes.alone(all)).catch((error) => {
      throw codeOf(error) === LOCKED ? timedOut(error) : error
    })
  }

  async prune(): Promise<number> {
    this.#start()
    return this.#track(this.#pruner.prune())
  }

  async createTable(): Promise<void> {
    this.#start()
    await this.#track(this.#database.createTable())
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    this.#pruner.stop()
    // Each has a deadline, so this has one.
    await Promise.allSettled([...this.#underWay, this.#lanes.settled()])
    await this.#database.close()
  }

  #start(): void {
    if (this.#closing !== undefined) throw closed()
    this.#pruner.start()
  }

  #begin(sid: string): void {
    checkSid(sid)
    this.#start()
  }

  /** Sees every write that was issued before. */
  async #task<T>(work: () => Promise<T>): Promise<T> {
    this.#start()
    return this.#track(this.#lanes.settled().then(work))
  }

  async #track<T>(task: Promise<T>): Promise<T> {
    this.#underWay.add(task)
    try {
      return await task
    } finally {
      this.#underWay.delete(task)
    }
  }

  /** Is a promise only where the serializer is async: a promise less for each get. */
  #session([sid, text, expire]: Row): SessionData | Promise<SessionData> {
    this.#usualLength += (text.length - this.#usualLength) / 100
    const session = decode(text, Number(expire), this.#settings.serializer)
    const remember = (known: SessionData) => {
      this.#loaded.remember(
        known,
        sid,
        Number(expire),
        this.#compares ? { base: text, row: text } : undefined,
      )
      return known
    }
    return session instanceof Promise ? session.then(remember) : remember(session)
  }

  async *#entries(page: (after: string) => Promise<Columns[]>): AsyncGenerator<Entry, void, undefined> {
    for (let after = '', rows: Columns[]; ; ) {
      rows = await page(after)
      for (const columns of rows) {
        const row = rowOf(columns)
        after = row[0]
        yield { sid: after, session: await this.#session(row), expires: new Date(Number(row[2]) * 1000) }
      }
      if (rows.length < PAGE_SIZE) return
    }
  }

  #page(after: string, until: number): Promise<Columns[]> {
    return this.#database.query('page', () => [String(now()), after, String(PAGE_SIZE)], until)
  }
}
