// The command `logout`: destroys sessions, of a user, by sid, or all. Promises to ask first, and to say how
// many there were. Must not know how they are destroyed.

import { codeOf } from '../errors.ts'
import { checkDestroyOptions, checkUserId, type DestroyByUserOptions } from '../session/user.ts'
import type { Sessions } from '../store/sessions.ts'
import type { Command, FlagValues } from './command.ts'
import { settingsOf, shortSid, withSessions } from './contact.ts'
import { number, printable } from './screen.ts'
import { checkNeeds, UsageError } from './usage.ts'

const WHOSE = ['user', 'sid', 'all'] as const

export const logout: Command = {
  name: 'logout',
  says: 'Destroys sessions: those of a user, one by its sid, or all.',
  flags: {
    user: { value: 'ID', says: 'the sessions of this user' },
    'user-path': { value: 'PATH', says: 'where the id stands in a session, by dots; default: passport.user' },
    except: { value: 'SID', says: 'with --user: but not this one' },
    sid: { value: 'SID', says: 'this session' },
    all: { says: 'all sessions of the table, also those of other services' },
    yes: { says: 'do not ask' },
  },
  async run(values, screen) {
    const whose = WHOSE.filter((flag) => values[flag] !== undefined)
    if (whose.length !== 1) throw new UsageError('Expected one of --user, --sid and --all')
    for (const flag of ['except', 'user-path']) checkNeeds(values, flag, 'user')
    if (values['user'] !== undefined) checkUserId(values['user'])
    checkDestroyOptions(exceptOf(values))
    if (!(await screen.confirm(printable(`Log out ${inWords(values)}?`), values['yes'] === true))) return 1
    screen.caveat = 'Some of the sessions may have been destroyed.'
    const onBegin = () => {
      screen.achieved = 'Some of the sessions may have been destroyed before this error:'
    }
    const destroyed = await destroy(values, screen.interruption, onBegin)
    if (values['json']) screen.json({ destroyed })
    else screen.line(destroyed === 1 ? 'Destroyed 1 session.' : `Destroyed ${number(destroyed)} sessions.`)
    return 0
  },
}

const exceptOf = ({ except }: FlagValues): DestroyByUserOptions =>
  except === undefined ? {} : { except: String(except) }

function inWords({ user, sid, except }: FlagValues): string {
  if (sid !== undefined) return `the session ${shortSid(String(sid))}`
  if (user === undefined) return 'all users'
  return `the user ${JSON.stringify(user)}${except === undefined ? '' : `, except ${shortSid(String(except))}`}`
}

/** @returns how many sessions there were, without those that had expired */
async function destroy(values: FlagValues, stop: AbortSignal, onBegin: () => void): Promise<number> {
  const { user, sid } = values
  const settings = settingsOf(values, stop)
  if (typeof user === 'string') {
    return withSessions(settings, ({ byUser }) => {
      onBegin()
      return byUser.destroy(user, exceptOf(values))
    })
  }
  if (typeof sid === 'string') {
    return withSessions(settings, async (sessions) => {
      const exists = await has(sessions, sid)
      await sessions.destroy(sid)
      return exists ? 1 : 0
    })
  }
  return withSessions(settings, async ({ wholeTable }) => {
    const alive = await wholeTable.length()
    await wholeTable.clear()
    return alive
  })
}

async function has(sessions: Sessions, sid: string): Promise<boolean> {
  try {
    return (await new Promise((resolve, reject) => sessions.get(sid, resolve, reject))) !== null
  } catch (error) {
    // It is there, and cannot be read.
    if (codeOf(error) === 'STORE_SESSION') return true
    throw error
  }
}
