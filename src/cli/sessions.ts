// The command `sessions`: lists the sessions of a user. Promises to show no sid in full unless it is asked
// to. Must not know how they are found.

import { removeCreation } from '../session/creation.ts'
import type { Entry } from '../session/entries.ts'
import type { Command } from './command.ts'
import { settingsOf, shortSid, withSessions } from './contact.ts'
import { number, printable, type Screen } from './screen.ts'
import { UsageError } from './usage.ts'

export const sessions: Command = {
  name: 'sessions',
  says: 'Lists the sessions of a user that have not expired, the last to expire first.',
  flags: {
    user: { value: 'ID', says: 'the user, as the sessions have the id' },
    'user-path': { value: 'PATH', says: 'where it stands in a session, by dots; default: passport.user' },
    full: { says: 'show sids in full: each is as good as a password' },
  },
  async run(values, screen) {
    const { user } = values
    if (typeof user !== 'string') throw new UsageError('Expected --user with the id of a user')
    const errorLog = (message: string) => screen.remark(message)
    const settings = { ...settingsOf(values, screen.interruption), errorLog }
    const entries = await withSessions(settings, ({ byUser }) => byUser.entries(user))
    // Apps do not see it either.
    for (const { session } of entries) removeCreation(session)
    const sidOf = values['full'] ? (sid: string) => sid : shortSid
    if (values['json']) {
      screen.json(
        entries.map(({ sid, expires, session }) => ({ sid: sidOf(sid), expires: timeOf(expires), session })),
      )
    } else show(entries, sidOf, screen)
    return 0
  },
}

function show(entries: readonly Entry[], sidOf: (sid: string) => string, screen: Screen): void {
  for (const { sid, expires, session } of entries) {
    // What sessions hold is for --json. Their keys tell them apart well enough.
    const keys = Object.keys(session).filter((key) => key !== 'cookie')
    const text = printable(keys.join(', '))
    screen.line(
      `${screen.paint('bold', printable(sidOf(sid)))}  until ${timeOf(expires) ?? 'ever'}  ${screen.paint('dim', text)}`,
    )
  }
  screen.line(entries.length === 1 ? '1 session' : `${number(entries.length)} sessions`)
}

/** Null for a row that never expires. */
const timeOf = (expires: Date): string | null =>
  Number.isNaN(expires.getTime()) ? null : expires.toISOString()
