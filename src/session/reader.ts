// Makes session objects of rows. Promises that each one it gives out is remembered as loaded, with what is
// needed to save it. Must not know how rows are fetched.

import type { SessionData } from 'express-session'
import type { Settings } from '../settings/settings.ts'
import type { Row } from '../table/row.ts'
import type { LoadedSessions } from './loaded.ts'
import { decode, unreadable } from './text.ts'

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
   * Null if the session's cookie has expired. A promise only if the serializer is async, which saves one for
   * each get.
   * @param logoutCount how many logouts there were when the row was fetched
   */
  read([sid, text, expire]: Row, logoutCount: number): SessionData | null | Promise<SessionData | null> {
    if (text === null) throw unreadable('the column is null')
    this.#usualLength += (text.length - this.#usualLength) / 100
    const { serializer, onConflict } = this.#settings
    const decoded = decode(text, Number(expire), serializer)
    const remember = (session: SessionData | null) => {
      const texts = onConflict === 'overwrite' ? undefined : { base: text, row: text }
      if (session) this.#loaded.remember(session, sid, Number(expire), logoutCount, texts)
      return session
    }
    return decoded instanceof Promise ? decoded.then(remember) : remember(decoded)
  }
}
