// The store as express-session calls it: one short method per verb. Most take a callback or, without one,
// return a promise; `entries`, `createTable` and `close` take none. Must not know how a session is stored.

import type { Session, SessionData, Store } from 'express-session'
import { Events } from '../events.ts'
import type { Options } from '../options.ts'
import type { Entry } from '../session/entries.ts'
import { carryLoaded } from '../session/loaded.ts'
import { parseOptions, type Settings } from '../settings/settings.ts'
import { isWatched, operations } from '../tracing/channels.ts'
import { printDebugLines } from '../tracing/debug-lines.ts'
import { type OperationTrace, traceOperation } from '../tracing/operation.ts'
import type { PostgresStoreClass } from './contract.ts'
import type { Health } from './health.ts'
import { type Callback, deliver, promiseOf, type Work } from './outcome.ts'
import { Sessions } from './sessions.ts'
import type { Stats } from './stats.ts'

type Request = Parameters<Store['createSession']>[0]

/** @param Base the `Store` class of express-session, which is known only at run time */
export function storeClass(Base: new () => Store): PostgresStoreClass {
  return class PostgresStore extends (Base as new (options: Options) => Store) {
    readonly #sessions: Sessions
    readonly #errorLog: Settings['errorLog']

    constructor(options: Options = {}) {
      super(options)
      const settings = parseOptions(options)
      this.#sessions = new Sessions(settings, new Events(this, settings.errorLog))
      this.#errorLog = settings.errorLog
      printDebugLines()
    }

    override get(sid: string, callback?: Callback<SessionData | null>): any {
      return this.#do(
        'get',
        sid,
        (trace) => (resolve, reject) => this.#sessions.get(sid, resolve, reject, trace),
        callback,
      )
    }

    override set(sid: string, session: SessionData, callback?: Callback): any {
      return this.#do('set', sid, (trace) => this.#sessions.set(sid, session, trace), callback)
    }

    override touch(sid: string, session: SessionData, callback?: Callback): any {
      return this.#do('touch', sid, (trace) => this.#sessions.touch(sid, session, trace), callback)
    }

    override destroy(sid: string, callback?: Callback): any {
      return this.#do('destroy', sid, (trace) => this.#sessions.destroy(sid, trace), callback)
    }

    override all(callback?: Callback<SessionData[]>): any {
      return this.#do('all', undefined, () => this.#sessions.wholeTable.all(), callback)
    }

    override length(callback?: Callback<number>): any {
      return this.#do('length', undefined, () => this.#sessions.wholeTable.length(), callback)
    }

    ids(callback?: Callback<string[]>): any {
      return this.#do('ids', undefined, () => this.#sessions.wholeTable.ids(), callback)
    }

    override clear(callback?: Callback): any {
      return this.#do('clear', undefined, () => this.#sessions.wholeTable.clear(), callback)
    }

    pruneSessions(callback?: Callback<number>): any {
      return this.#do('pruneSessions', undefined, () => this.#sessions.prune(), callback)
    }

    entries(): AsyncGenerator<Entry, void, undefined> {
      return this.#sessions.wholeTable.entries()
    }

    createTable(): Promise<void> {
      return this.#sessions.createTable()
    }

    health(): Promise<Health> {
      return this.#sessions.health()
    }

    stats(): Stats {
      return this.#sessions.stats()
    }

    close(): Promise<void> {
      return this.#sessions.close()
    }

    [Symbol.asyncDispose](): Promise<void> {
      return this.#sessions.close()
    }

    /**
     * express-session passes what `get` returned, and continues with the result. Both stand for the same row.
     */
    override createSession(req: Request, session: SessionData): Session & SessionData {
      const created = super.createSession(req, session)
      carryLoaded(session, created)
      return created
    }

    /** @param sid undefined for a method that takes none */
    #do<T>(
      verb: string,
      sid: string | undefined,
      begin: (trace?: OperationTrace) => Work<T>,
      callback: Callback<T> | undefined,
    ): Promise<T> | undefined {
      const { counters } = this.#sessions
      counters.called(verb)
      const work = isWatched(operations)
        ? traceOperation(verb, sid, (trace) => promiseOf(begin(trace)))
        : begin()
      return deliver(work, callback, (error, isHeard) => {
        counters.failed(error)
        if (!isHeard) this.#errorLog(`\`${verb}\` failed and nobody was waiting for it`, error)
      })
    }
  }
}
