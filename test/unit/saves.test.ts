// Which operation a save or a touch of a session is. No database.

import assert from 'node:assert/strict'
import type { SessionData } from 'express-session'
import { LoadedSessions } from '../../src/session/loaded.ts'
import { logouts } from '../../src/session/logouts.ts'
import { Saves } from '../../src/session/saves.ts'
import { parseOptions } from '../../src/settings/settings.ts'
import type { Replace } from '../../src/table/operations.ts'
import { promises } from '../support/promise.ts'
import { sessionOf } from '../support/store.ts'

const test = promises('saves')

/** A session that was loaded with this expiry, `now` being the second 1,000. */
function loadedUntil(expire: number, options = {}) {
  const loaded = new LoadedSessions()
  const session = sessionOf() as SessionData
  loaded.remember(session, 'a', expire, logouts.count, undefined, undefined)
  return { saves: new Saves(parseOptions(options), loaded), loaded, session }
}

function atSecond<T>(second: number, use: () => T): T {
  const { now } = Date
  Date.now = () => second * 1000
  try {
    return use()
  } finally {
    Date.now = now
  }
}

test('a row that expires this very second cannot have been pruned, so its save only updates it', () => {
  const verbAt = (expire: number) =>
    atSecond(1000, () => {
      const { saves, session } = loadedUntil(expire)
      return (saves.save('a', session).operation as { verb: string }).verb
    })
  assert.deepEqual([verbAt(1001), verbAt(1000), verbAt(999)], ['update', 'update', 'upsert'])
})

test('a session that `maxLifetime` has ended is not stored again where its row is gone, and any other is', async () => {
  const mayBeStored = async (createdAt: number | undefined, expires: number, maxLifetime?: number) => {
    const { saves, loaded, session } = loadedUntil(999, { maxLifetime, onConflict: 'merge' })
    const creation = createdAt === undefined ? undefined : { at: createdAt, isStored: true }
    loaded.remember(session, 'a', 999, logouts.count, { base: '{}', row: '{}' }, creation)
    session.cookie.expires = new Date(expires * 1000)
    const operation = await atSecond(1000, () => saves.save('a', session).operation)
    return atSecond(1000, () => (operation as Replace).mayBeMissing())
  }
  assert.equal(await mayBeStored(900, 2000, 99), false)
  assert.equal(await mayBeStored(900, 2000, 100), true)
  assert.equal(await mayBeStored(900, 2000, 500), true)
  assert.equal(await mayBeStored(undefined, 500), true)
})

test('a session is new until a row of it is known', () => {
  const { saves, session } = loadedUntil(2000)
  assert.equal(saves.save('a', session).isNew, false)
  const loaded = sessionOf() as SessionData
  assert.equal(saves.save('b', loaded).isNew, true)
})

test('a touch that shortens a session is sent whatever `touchInterval` is, and one that gains too little is not', () => {
  const verbFor = (endsAt: number, loadedAt: number, touchInterval: number | undefined) =>
    atSecond(1000, () => {
      const { saves, session } = loadedUntil(loadedAt, { touchInterval })
      session.cookie.expires = new Date(endsAt * 1000)
      return saves.touch('a', session)?.operation.verb
    })
  for (const touchInterval of [undefined, 0, 60]) {
    assert.equal(verbFor(1000 + 3599, 1000 + 3600, touchInterval), 'touch')
    assert.equal(verbFor(1000 + 3661, 1000 + 3600, touchInterval), 'touch')
    assert.equal(verbFor(1000 + 3610, 1000 + 3600, touchInterval), touchInterval === 0 ? 'touch' : undefined)
  }
})

test('a session that is loaded twice is saved by what was known last', () => {
  const { saves, loaded, session } = loadedUntil(999)
  loaded.remember(session, 'a', 2000, logouts.count, undefined, undefined)
  const { operation } = atSecond(1000, () => saves.save('a', session))
  assert.equal((operation as { verb: string }).verb, 'update')
})
