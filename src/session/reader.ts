// Makes session objects of rows. Promises that each one it gives out is remembered as loaded, with what is
// needed to save it, and that none is given out which has ended. Must not know how rows are fetched.

import type { SessionData } from 'express-session'
import type { Settings } from '../settings/settings.ts'
import type { Row } from '../table/row.ts'
import { withExpiryOfRow } from './expiry.ts'
import { takeCreation, withinLifetime } from './lifetime.ts'
import type { Loaded, LoadedSessions } from './loaded.ts'
import { parse, unreadable } from './text.ts'

export class Reader {
  readonly #settings: Settings
  readonly #loaded: LoadedSessions
  #usualLength = 0

  constructor(settings: Settings, loaded: LoadedSessions) {
    this.#settings = settings
    this.#loaded = loaded
  }

  /** A moving average of the length of the texts, in characters. */
  get usualLength(): number {
    return this.#usualLength
  }

  /**
   * Null if the session has ended: with its cookie, or by `maxLifetime`. A promise only if the serializer is
   * async, which saves one for each get.
   * @param logoutCount how many logouts there were when the row was fetched
   */
  read([sid, text, expire]: Row, logoutCount: number): SessionData | null | Promise<SessionData | null> {
    if (text === null) throw unreadable('the column is null')
    this.#usualLength += (text.length - this.#usualLength) / 100
    const { serializer, onConflict, maxLifetime } = this.#settings
    const remember = (parsed: SessionData) => {
      const creation = maxLifetime === undefined ? undefined : takeCreation(parsed)
      // Another store may have moved the row's expiry beyond the session's end.
      const end = withinLifetime(Number(expire), creation?.at, this.#settings)
      if (creation && Date.now() > end * 1000) return null
      const session = withExpiryOfRow(parsed, end)
      const texts = onConflict === 'overwrite' ? undefined : { base: text, row: text }
      if (session) this.#loaded.remember(session, sid, Number(expire), logoutCount, texts, creation)
      return session
    }
    const session = parse(text, serializer)
    return session instanceof Promise ? session.then(remember) : remember(session)
  }

  /** When a session that it has given out ends, in seconds since 1970. */
  expiryOf(session: SessionData, sid: string): number {
    const { expire, creation } = this.#loaded.of(session, sid) as Loaded
    return withinLifetime(expire, creation?.at, this.#settings)
  }
}
