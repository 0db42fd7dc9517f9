// Which operation a save or a touch of a session is, and what is known of its row afterwards. Promises that a
// save of a loaded session cannot bring back a row that was destroyed. Must not know how operations are sent.

import type { SessionData } from 'express-session'
import { now } from '../clock.ts'
import type { Settings } from '../settings/settings.ts'
import type { Answer } from '../table/answers.ts'
import type { Operation } from '../table/operations.ts'
import { replaceOf, storedText } from './conflicts.ts'
import { expireAt } from './expiry.ts'
import type { Loaded, LoadedSessions } from './loaded.ts'
import { logouts } from './logouts.ts'
import { encode } from './text.ts'

type SaveSettings = Pick<Settings, 'ttl' | 'serializer' | 'onConflict' | 'touchInterval'>

export interface Save {
  /** A promise only if the serializer is async. */
  readonly operation: Operation | Promise<Operation>
  /** To be called when the operation was done. */
  done(answer: Answer): void
}

export class Saves {
  readonly #settings: SaveSettings
  readonly #loaded: LoadedSessions
  /** Whether saves are compared with what the row holds. Only then are the texts of loaded sessions kept. */
  readonly #compares: boolean

  constructor(settings: SaveSettings, loaded: LoadedSessions) {
    this.#settings = settings
    this.#loaded = loaded
    this.#compares = settings.onConflict !== 'overwrite'
  }

  /**
   * A loaded session only updates its row, so that a destroyed row stays destroyed. Any other is upserted.
   * @throws StoreError STORE_SESSION or STORE_TTL, or what the `ttl` function throws
   */
  save(sid: string, session: SessionData): Save {
    const loaded = this.#loaded.of(session, sid) ?? this.#loaded.adopt(session, sid, logouts.count)
    const expire = expireAt(session, sid, this.#settings.ttl)
    const mayInsert = !loaded || mayBeMissing(loaded)
    const aliveAt = mayInsert ? 0 : now()
    let base = ''
    const operationOf = (sess: string): Operation => {
      base = sess
      return loaded && this.#compares
        ? replaceOf(loaded, { sess, expire, aliveAt }, () => mayBeMissing(loaded))
        : { verb: mayInsert ? 'upsert' : 'update', sess, expire, aliveAt }
    }
    const text = encode(session, this.#settings.serializer)
    return {
      operation: typeof text === 'string' ? operationOf(text) : text.then(operationOf),
      done: (answer) => {
        if (!loaded) return
        loaded.expire = expire
        const row = this.#compares ? storedText(answer) : undefined
        if (row !== undefined) loaded.texts = { base, row }
      },
    }
  }

  /**
   * Undefined if the touch is left out, because it would move the expiry by too little.
   * @throws StoreError STORE_TTL, or what the `ttl` function throws
   */
  touch(sid: string, session: SessionData): Save | undefined {
    const loaded = this.#loaded.of(session, sid)
    const expire = expireAt(session, sid, this.#settings.ttl)
    // For a short session fewer touches are left out, so that it does not expire while it is in use.
    const interval = Math.min(this.#settings.touchInterval, (expire - now()) / 10)
    if (loaded && Math.abs(expire - loaded.expire) < interval) return undefined
    // A row that was alive when it was loaded can still be touched if it expired during this request.
    const aliveAt = Math.min(now(), Math.floor(loaded?.expire || Number.POSITIVE_INFINITY))
    return {
      operation: { verb: 'touch', expire, aliveAt },
      done: () => {
        // A new session whose first save failed stays new, as a touch stores nothing.
        if (loaded?.expire) loaded.expire = expire
      },
    }
  }
}

/**
 * Whether the row can be missing because it expired and was pruned, and not because this process destroyed
 * it.
 */
function mayBeMissing({ sid, expire, logoutCount }: Loaded): boolean {
  return expire < now() && !logouts.since(logoutCount, sid)
}
