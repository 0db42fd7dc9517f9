// The store as express-session calls it: one short method per verb. Most take a callback or, without one,
// return a promise; `entries`, `createTable` and `close` take none. Must not know how a session is stored.

import type { Session, SessionData, Store } from 'express-session'
import type { Options } from '../options.ts'
import type { Entry } from '../session/entries.ts'
import { carryLoaded } from '../session/loaded.ts'
import { parseOptions, type Settings } from '../settings/settings.ts'
import type { PostgresStoreClass } from './contract.ts'
import { type Callback, deliver, type Work } from './outcome.ts'
import { Sessions } from './sessions.ts'

type Request = Parameters<Store['createSession']>[0]

/** @param Base the `Store` class of express-session, which is known only at run time */
export function storeClass(Base: new () => Store): PostgresStoreClass {
  return class PostgresStore extends (Base as new (options: Options) => Store) {
    readonly #sessions: Sessions
    readonly #errorLog: Settings['errorLog']

    constructor(options: Options = {}) {
      super(options)
      const settings = parseOptions(options)
      this.#sessions = new Sessions(settings)
      this.#errorLog = settings.errorLog
    }

    override get(sid: string, callback?: Callback<SessionData | null>): any {
      return this.#deliver('get', (...callbacks) => this.#sessions.get(sid, ...callbacks), callback)
    }

    override set(sid: string, session: SessionData, callback?: Callback): any {
      return this.#deliver('set', this.#sessions.set(sid, session), callback)
    }

    override touch(sid: string, session: SessionData, callback?: Callback): any {
      return this.#deliver('touch', this.#sessions.touch(sid, session), callback)
    }

    override destroy(sid: string, callback?: Callback): any {
      return this.#deliver('destroy', this.#sessions.destroy(sid), callback)
    }

    override all(callback?: Callback<SessionData[]>): any {
      return this.#deliver('all', this.#sessions.wholeTable.all(), callback)
    }

    override length(callback?: Callback<number>): any {
      return this.#deliver('length', this.#sessions.wholeTable.length(), callback)
    }

    ids(callback?: Callback<string[]>): any {
      return this.#deliver('ids', this.#sessions.wholeTable.ids(), callback)
    }

    override clear(callback?: Callback): any {
      return this.#deliver('clear', this.#sessions.wholeTable.clear(), callback)
    }

    pruneSessions(callback?: Callback<number>): any {
      return this.#deliver('pruneSessions', this.#sessions.prune(), callback)
    }

    entries(): AsyncGenerator<Entry, void, undefined> {
      return this.#sessions.wholeTable.entries()
    }

    createTable(): Promise<void> {
      return this.#sessions.createTable()
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

    #deliver<T>(verb: string, work: Work<T>, callback: Callback<T> | undefined): Promise<T> | undefined {
      return deliver(work, callback, (error) => {
        this.#errorLog(`\`${verb}\` failed and nobody was waiting for it`, error)
      })
    }
  }
}
