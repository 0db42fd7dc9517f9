// What this process knows of the row behind a session object. Promises that nothing is added to the user's data.
// Must not know tables, statements or connections.

/** What this process knows of the row behind a session object. */
export interface Loaded {
  readonly by: LoadedSessions
  readonly sid: string
  /** In seconds: the row's expiry, as last read or written through this object. 0 before the first save. */
  expire: number
  /** How many logouts there had been in this process when the session was loaded. */
  readonly logouts: number
  /** Only where conflicts matter: what this object was as last read or saved, and what the row held then. */
  texts: { readonly base: string; readonly row: string } | undefined
}

/** Gives back the object it is given, so that a subclass adds its private field to that one instead of to a new one. */
class ReturnArgument {
  constructor(object: object) {
    // biome-ignore lint/correctness/noConstructorReturn: the only way to give a private field to an object that exists already
    return object
  }
}

/**
 * A private field on the session object. As with a WeakMap nobody else sees it, in no stored text and in no copy; but a
 * map of all sessions that live is work for every garbage collection, a sixth of what a get costs.
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

/** Whether it is express-session's own `Session` of this sid, which hides its request and id from JSON. */
function isNew(session: unknown, sid: string): session is object {
  if (typeof session !== 'object' || session === null || !Object.hasOwn(session, 'req')) return false
  const id = Object.getOwnPropertyDescriptor(session, 'id')
  return id?.value === sid && !id.enumerable
}

/** Remembers which session objects came out of `get`, and from what. Nothing is added to the user's data. */
export class LoadedSessions {
  remember(session: object, sid: string, expire: number, logouts: number, texts: Loaded['texts']): void {
    LoadedTag.put(session, { by: this, sid, expire, logouts, texts })
  }

  /**
   * For a session that is about to be stored and was not loaded. One that express-session made for a request
   * counts as loaded from now on. Any other object stays unknown, so that each `set` of it stores it.
   */
  adopt(session: unknown, sid: string, logouts: number): Loaded | undefined {
    // One that another store loaded is that store's.
    if (LoadedTag.on(session) || !isNew(session, sid)) return undefined
    this.remember(session, sid, 0, logouts, undefined)
    return LoadedTag.on(session)
  }

  /** express-session makes its `Session` out of the object that `get` gave: both stand for the same row. */
  carry(from: object, to: object): void {
    const loaded = LoadedTag.on(from)
    if (loaded) LoadedTag.put(to, loaded)
  }

  /** Undefined for a session that is new, or was loaded under another sid or by another store. */
  of(session: unknown, sid: string): Loaded | undefined {
    const loaded = LoadedTag.on(session)
    return loaded?.by === this && loaded.sid === sid ? loaded : undefined
  }
}
