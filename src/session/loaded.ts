// Remembers which session objects came out of `get`, and what was known of their rows then. Promises that
// nothing is added to the user's data. Must not know tables, statements or connections.

import type { SessionData } from 'express-session'
import type { Merge } from '../table/operations.ts'
import { leaveTrace, traceOn } from './copies.ts'
import type { Creation } from './lifetime.ts'

/** What this process knows of the row behind a session object. */
export interface Loaded {
  readonly by: LoadedSessions
  readonly sid: string
  /**
   * The row's expiry as last read or written through this object, in seconds since 1970. 0 before the first
   * save.
   */
  expire: number
  /** How many logouts there had been in this process when the session was loaded. */
  readonly logoutCount: number
  /**
   * Kept only if `onConflict` compares. `base`: the text of this object as last read or saved. `row`: the
   * text of the row at that time; the two differ after a merge.
   */
  texts: { readonly base: string; readonly row: string } | undefined
  /** What became of this object at its last save, if that was merged. */
  merge: Merge | undefined
  /** Undefined without `maxLifetime`. */
  creation: Creation | undefined
}

/**
 * Its constructor returns its argument, so that a subclass adds its private field to that existing object.
 */
class ReturnArgument {
  constructor(object: object) {
    // biome-ignore lint/correctness/noConstructorReturn: nothing else adds a private field to an object
    return object
  }
}

/**
 * A private field on the session object. Like an entry of a WeakMap, nobody else sees it, and it is in no
 * stored text and in no copy. A WeakMap with all live sessions is work for every garbage collection: it was
 * measured to cost a sixth of a get (Node 20.20).
 */
class LoadedTag extends ReturnArgument {
  #loaded: Loaded

  private constructor(session: object, loaded: Loaded) {
    super(session)
    this.#loaded = loaded
  }

  static put(session: object, loaded: Loaded): void {
    if (#loaded in session) session.#loaded = loaded
    else new LoadedTag(session, loaded)
  }

  static on(session: unknown): Loaded | undefined {
    return typeof session === 'object' && session !== null && #loaded in session ? session.#loaded : undefined
  }
}

/**
 * Whether it is a session of this sid that express-session or @fastify/session made. Such an object hides its
 * request and id from JSON.
 */
function isNew(session: unknown, sid: string): session is object {
  if (typeof session !== 'object' || session === null) return false
  const id = Object.getOwnPropertyDescriptor(session, 'id')
  if (id?.value === sid && !id.enumerable && Object.hasOwn(session, 'req')) return true
  // That of @fastify/session inherits it from its class.
  return !Object.hasOwn(session, 'sessionId') && (session as { sessionId?: unknown }).sessionId === sid
}

/** express-session makes a `Session` of the object that `get` gave. Lets it count as loaded, too. */
export function carryLoaded(from: object, to: object): void {
  const loaded = LoadedTag.on(from)
  if (loaded) LoadedTag.put(to, loaded)
}

/** Lets the copy that a host is about to make of the object that `get` gave count as loaded, too. */
export function carryLoadedToCopy(session: SessionData): void {
  const loaded = LoadedTag.on(session)
  if (loaded) leaveTrace(session, loaded)
}

/** The loaded sessions of one store. */
export class LoadedSessions {
  remember(
    session: object,
    sid: string,
    expire: number,
    logoutCount: number,
    texts: Loaded['texts'],
    creation: Loaded['creation'],
  ): void {
    LoadedTag.put(session, { by: this, sid, expire, logoutCount, texts, merge: undefined, creation })
  }

  /**
   * Lets a new session that express-session made for a request, and that is about to be stored, count as
   * loaded. Any other object does not, so that each `set` of it stores it.
   */
  adopt(
    session: unknown,
    sid: string,
    logoutCount: number,
    creation: Loaded['creation'],
  ): Loaded | undefined {
    // A session that another store has loaded stays that store's.
    if (LoadedTag.on(session) || !isNew(session, sid)) return undefined
    this.remember(session, sid, 0, logoutCount, undefined, creation)
    return LoadedTag.on(session)
  }

  /** Undefined if the session is new, or was loaded under another sid or by another store. */
  of(session: unknown, sid: string): Loaded | undefined {
    const loaded = LoadedTag.on(session) ?? (traceOn(session) as Loaded | undefined)
    return loaded?.by === this && loaded.sid === sid ? loaded : undefined
  }
}
