// Which operation a save or a touch of a session is, and what is known of its row afterwards. Promises that a
// save of a loaded session cannot bring back a row that was destroyed. Must not know how operations are sent.

import type { SessionData } from 'express-session'
import { now } from '../clock.ts'
import type { Settings } from '../settings/settings.ts'
import type { Answer } from '../table/answers.ts'
import type { Merge, Operation } from '../table/operations.ts'
import { replaceOf, storedText } from './conflicts.ts'
import { thisSecond } from './creation.ts'
import { expireAt } from './expiry.ts'
import { beginning, creationOf, encodeWithCreation, withinLifetime } from './lifetime.ts'
import type { Loaded, LoadedSessions } from './loaded.ts'
import { logouts } from './logouts.ts'
import { lookingSave, lookingTouch } from './lookups.ts'
import { merge } from './merge.ts'
import { encode } from './text.ts'

// In seconds. By default a session ends so much earlier at most, however long it lives.
const MAX_DEFAULT_INTERVAL = 60

type SaveSettings = Pick<
  Settings,
  'ttl' | 'serializer' | 'onConflict' | 'touchInterval' | 'disableTouch' | 'maxLifetime'
>

export interface Save {
  /** Whether no row of the session is known. */
  readonly isNew: boolean
  /** A promise only if the serializer is async. */
  readonly operation: Operation | Promise<Operation>
  /** To be called when the operation was done. A promise only with `maxLifetime`. */
  done(answer: Answer): Promise<void> | undefined
}

interface Touch {
  readonly operation: Operation
  /** To be called when the operation was done. */
  done(): void
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
    const settings = this.#settings
    const fresh = settings.maxLifetime === undefined ? undefined : beginning()
    const loaded = this.#loaded.of(session, sid) ?? this.#loaded.adopt(session, sid, logouts.count, fresh)
    const created = (loaded?.creation ?? fresh)?.at
    let last: Merge | undefined
    let expire = withinLifetime(expireAt(session, sid, settings.ttl), created, settings)
    // A row that has ended by `maxLifetime` before it is there would be pruned, and told of, a second time.
    const isOver = () => created !== undefined && expire < now()
    const canBeMissing = () => !loaded || (mayBeMissing(loaded) && !isOver())
    const mayInsert = canBeMissing()
    const aliveAt = mayInsert ? 0 : now()
    let base = ''
    const operationOf = (sess: string): Operation => {
      base = sess
      const save = { sess, expire, aliveAt }
      if (loaded && this.#compares) {
        const onMerged = (made: Merge) => {
          last = made
          expire = withinLifetime(this.#expireAt(session, sid, made), created, settings)
          return expire
        }
        return replaceOf(loaded, { ...save, onMerged }, canBeMissing)
      }
      if (fresh && !loaded?.creation?.isStored) {
        return lookingSave(mayInsert ? 'insert' : 'replace', save, canBeMissing)
      }
      return { verb: mayInsert ? 'upsert' : 'update', ...save }
    }
    const text =
      created === undefined
        ? encode(session, settings.serializer)
        : encodeWithCreation(session, created, settings)
    return {
      isNew: !loaded?.expire,
      operation: typeof text === 'string' ? operationOf(text) : text.then(operationOf),
      done: (answer) => {
        if (!loaded) return undefined
        loaded.expire = expire
        loaded.merge = last
        const row = storedText(answer)
        if (this.#compares && row !== undefined) loaded.texts = { base, row }
        return created === undefined ? undefined : this.#learnCreation(loaded, created, base, row)
      },
    }
  }

  /**
   * A row that was there already can be older than the session that was stored over it.
   * @param base the text that was to be stored
   * @param row the text that was stored, if that is known
   */
  async #learnCreation(loaded: Loaded, created: number, base: string, row = base): Promise<void> {
    const ofRow = row === base ? undefined : await creationOf(row, this.#settings)
    loaded.creation = { at: ofRow ?? created, isStored: true }
  }

  /**
   * Undefined if the touch is left out: by `disableTouch`, or because it would move the expiry by too little.
   * @throws StoreError STORE_TTL, or what the `ttl` function throws
   */
  touch(sid: string, session: SessionData): Touch | undefined {
    const settings = this.#settings
    const loaded = this.#loaded.of(session, sid)
    const creation = loaded?.creation
    // Whether the row has to be read before it is touched, or has to learn when its session was created.
    const looks = settings.maxLifetime !== undefined && !creation?.isStored
    // A new session, whose expiry is not known before its first save has ended, has nothing to learn.
    if (settings.disableTouch && !(loaded?.expire && looks)) return undefined
    const wanted =
      settings.disableTouch && loaded ? loaded.expire : this.#expireAt(session, sid, loaded?.merge)
    const expire = withinLifetime(wanted, creation?.at, settings)
    if (loaded && !looks && this.#isSpared(expire, expire - loaded.expire)) return undefined
    // A row that was alive when it was loaded can still be touched if it expired during this request.
    const aliveAt = Math.min(now(), Math.floor(loaded?.expire || Number.POSITIVE_INFINITY))
    const touch = { verb: 'touch', expire, aliveAt } as const
    return {
      operation: looks ? lookingTouch(touch, creation?.at ?? thisSecond(), settings) : touch,
      done: () => {
        // A new session whose first save failed stays new, as a touch stores nothing.
        if (loaded?.expire) loaded.expire = expire
      },
    }
  }

  /**
   * When a session expires, in seconds since 1970.
   * @param last what the object's last save took over from another request, such as a longer lifetime, which
   *   the object itself does not have
   */
  #expireAt(session: SessionData, sid: string, last: Merge | undefined): number {
    const { ttl } = this.#settings
    const whole = last && merge(last.mine, session, last.merged)
    try {
      if (whole) return expireAt(whole, sid, ttl)
    } catch {
      // A `ttl` function can need what only express-session's own object has.
    }
    return expireAt(session, sid, ttl)
  }

  /**
   * Whether a touch gains too little to be sent. One that shortens the session is always sent.
   * @param gained by how many seconds the expiry would move
   */
  #isSpared(expire: number, gained: number): boolean {
    const left = expire - now()
    const { touchInterval = Math.min(MAX_DEFAULT_INTERVAL, left / 100) } = this.#settings
    // For a short session fewer touches are left out, so that it does not expire while it is in use.
    return gained >= 0 && gained < Math.min(touchInterval, left / 10)
  }
}

/**
 * Whether the row can be missing because it expired and was pruned, and not because this process destroyed
 * it.
 */
function mayBeMissing({ sid, expire, logoutCount }: Loaded): boolean {
  return expire < now() && !logouts.since(logoutCount, sid)
}
