// Tells of the sessions that a prune has deleted. Promises that each is told of, also one that cannot be
// read. Must not know how rows are deleted.

import type { SessionData } from 'express-session'
import { inBackground } from '../clock.ts'
import type { Events } from '../events.ts'
import type { Settings } from '../settings/settings.ts'
import { removeCreation } from './creation.ts'
import { parse, unreadable } from './text.ts'

type ExpiredSettings = Pick<Settings, 'serializer' | 'maxLifetime' | 'errorLog'>

/** @returns a function that tells of rows: of each the sid, and its text, which is null if the column is */
export function expiredTeller(
  settings: ExpiredSettings,
  events: Events,
): (rows: readonly (readonly [sid: string, text: string | null])[]) => Promise<void> {
  return async (rows) => {
    const failures: unknown[] = []
    const tell = async ([sid, text]: readonly [string, string | null]) => {
      const session = await read(text, settings).catch((error) => void failures.push(error))
      inBackground(() => events.tell('expire', { sid, session: session ?? null }))
    }
    await Promise.all(rows.map(tell))
    const { length } = failures
    if (length > 0) settings.errorLog(`Pruned ${length} session(s) that cannot be read`, failures[0])
  }
}

async function read(text: string | null, settings: ExpiredSettings): Promise<SessionData> {
  if (text === null) throw unreadable('the column is null')
  const session = await parse(text, settings.serializer)
  if (settings.maxLifetime !== undefined) removeCreation(session)
  return session
}
