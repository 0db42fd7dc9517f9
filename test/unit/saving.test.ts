// Which operation a save or a touch is, and what follows its answer. No database.

import assert from 'node:assert/strict'
import { AsyncLocalStorage } from 'node:async_hooks'
import type { SessionData } from 'express-session'
import type { Options } from '../../src/options.ts'
import { followUp, replaceOf, storedText } from '../../src/session/conflicts.ts'
import {
  creationOf,
  encodeWithCreation,
  endOf,
  isSameSession,
  overRow,
  takeCreation,
  withinLifetime,
} from '../../src/session/lifetime.ts'
import { type Loaded, LoadedSessions } from '../../src/session/loaded.ts'
import { logouts } from '../../src/session/logouts.ts'
import { lookingSave, lookingTouch } from '../../src/session/lookups.ts'
import { Saves } from '../../src/session/saves.ts'
import { parseOptions } from '../../src/settings/settings.ts'
import type { Merge, Operation, Replace } from '../../src/table/operations.ts'
import type { Row } from '../../src/table/row.ts'
import { failure } from '../support/failure.ts'
import { promises } from '../support/promise.ts'

const test = promises('saving')

const NOW = Math.ceil(Date.now() / 1000)
const LATER = NOW + 1000
const created = 'connect-postgres-simple:created'
const UNKNOWN = ' '

const sessionOf = (data: object = {}, expire = LATER) =>
  ({ cookie: { expires: new Date(expire * 1000) }, ...data }) as unknown as SessionData

/** A session as express-session makes a new one. */
const fresh = (data: object = {}, expire = LATER) =>
  Object.defineProperties(sessionOf(data, expire), {
    id: { value: 'sid', enumerable: false },
    req: { value: {}, enumerable: false },
  })

const saving = (options: Options = {}) => {
  const loaded = new LoadedSessions()
  const saves = new Saves(parseOptions(options), loaded)
  /** A session that was read from a row. */
  const known = (data: object = {}, more: Partial<Loaded> = {}, session = sessionOf(data)) => {
    const all = { expire: LATER, logoutCount: logouts.count, texts: undefined, creation: undefined, ...more }
    loaded.remember(session, 'sid', all.expire, all.logoutCount, all.texts, all.creation)
    return session
  }
  return { loaded, saves, known, of: (session: object) => loaded.of(session, 'sid')! }
}
type At = ReturnType<typeof saving>

const save = async ({ saves }: At, session: SessionData) => {
  const { operation, done } = saves.save('sid', session)
  return { op: (await operation) as any, done }
}
const verb = async (at: At, session: SessionData) => (await save(at, session)).op.verb
const isNow = (seconds: number) => assert.ok(seconds >= NOW && seconds < NOW + 60, String(seconds))

test('a session that was loaded is updated, as long as its row must be there; any other is upserted', async () => {
  const at = saving()
  const { op } = await save(at, at.known({ a: 1 }))
  const { aliveAt, ...rest } = op
  const cookie = { expires: new Date(LATER * 1000) }
  assert.deepEqual(rest, { verb: 'update', sess: JSON.stringify({ cookie, a: 1 }), expire: LATER })
  isNow(aliveAt)
  const upserted = (await save(at, sessionOf())).op
  assert.deepEqual(upserted, {
    ...{ verb: 'upsert', sess: JSON.stringify({ cookie }), expire: LATER, aliveAt: 0 },
  })
  assert.equal(await verb(at, at.known({}, { expire: NOW - 5 })), 'upsert', 'it may have been pruned')
  assert.equal(await verb(at, at.known({}, { expire: NOW + 60 })), 'update')
})

test('a session whose row has expired is not stored again after a logout', async () => {
  const at = saving()
  const session = at.known({}, { expire: NOW - 5 })
  logouts.add('sid')
  assert.equal(await verb(at, session), 'update')
  assert.equal(await verb(at, at.known({}, { expire: NOW - 5 })), 'upsert', 'loaded after it')
  logouts.add('other')
  assert.equal(await verb(at, at.known({}, { expire: NOW - 5, logoutCount: logouts.count - 1 })), 'upsert')
})

test('a row that expires in this very second is still there', async () => {
  const at = saving()
  const real = Date.now
  try {
    Date.now = () => NOW * 1000
    assert.equal(await verb(at, at.known({}, { expire: NOW })), 'update')
    assert.equal(await verb(at, at.known({}, { expire: NOW - 1 })), 'upsert')
  } finally {
    Date.now = real
  }
})

test('a new session is upserted until it is stored, and from then on updated', async () => {
  const at = saving()
  const session = fresh()
  const first = await save(at, session)
  assert.equal(first.op.verb, 'upsert')
  assert.equal(at.of(session).expire, 0)
  assert.equal(await verb(at, session), 'upsert', 'the first one may have failed')
  assert.equal(first.done(['sid']), undefined)
  assert.equal(at.of(session).expire, LATER)
  assert.equal(await verb(at, session), 'update')
  const plain = sessionOf()
  assert.equal((await save(at, plain)).done(['sid']), undefined)
  assert.equal(at.of(plain), undefined)
  assert.equal(await verb(at, plain), 'upsert')
})

test('an async serializer makes a promise of the operation', async () => {
  const serializer = { stringify: async () => 'x', parse: () => ({}) as SessionData }
  const at = saving({ serializer })
  assert.ok(at.saves.save('sid', sessionOf()).operation instanceof Promise)
  const json = { stringify: (session: SessionData) => JSON.stringify(session), parse: JSON.parse }
  assert.ok(!(saving({ serializer: json }).saves.save('sid', sessionOf()).operation instanceof Promise))
  assert.equal((await save(at, sessionOf())).op.sess, 'x')
})

const moved = (at: At, session: object) => at.saves.touch('sid', session as SessionData)

test('a touch moves the expiry of a row that is alive, or was when it was loaded', () => {
  const at = saving()
  const unknown = moved(at, sessionOf())!
  const { aliveAt, ...rest } = unknown.operation as any
  assert.deepEqual(rest, { verb: 'touch', expire: LATER })
  isNow(aliveAt)
  unknown.done()
  const session = at.known({}, { expire: NOW - 5.5 })
  const touch = moved(at, session)!
  assert.deepEqual(touch.operation, { verb: 'touch', expire: LATER, aliveAt: NOW - 6 })
  touch.done()
  assert.equal(at.of(session).expire, LATER)
  const never = at.known({}, { expire: 0 })
  const first = moved(at, never)!
  isNow((first.operation as any).aliveAt)
  first.done()
  assert.equal(at.of(never).expire, 0, 'what was never stored is still new')
})

test('a touch that gains little is left out: a hundredth of what is left, at most a minute', () => {
  const gains = (lifetime: number, gained: number, options: Options = {}) => {
    const at = saving(options)
    const session = at.known({}, { expire: NOW + lifetime - gained }, sessionOf({}, NOW + lifetime))
    return moved(at, session) !== undefined
  }
  assert.deepEqual([gains(100_000, 59), gains(100_000, 60)], [false, true])
  assert.deepEqual([gains(1000, 8), gains(1000, 11)], [false, true])
  assert.ok(gains(1000, -1), 'one that shortens is sent')
  assert.ok(!gains(1000, 0))
  assert.ok(gains(1000, 0, { touchInterval: 0 }))
  assert.deepEqual(
    [gains(1000, 29, { touchInterval: 30 }), gains(1000, 30, { touchInterval: 30 })],
    [false, true],
  )
  assert.deepEqual(
    [gains(200, 18, { touchInterval: 30 }), gains(200, 21, { touchInterval: 30 })],
    [false, true],
  )
  assert.ok(moved(saving(), sessionOf()), 'what was not loaded is always sent')
})

test('with `disableTouch` nothing is touched', () => {
  const at = saving({ disableTouch: true })
  assert.equal(moved(at, sessionOf()), undefined)
  assert.equal(moved(at, at.known({}, { expire: NOW + 5 })), undefined)
})

test('a save that compares replaces the text that it knows', async () => {
  const at = saving({ onConflict: 'error' })
  const texts = { base: 'T', row: 'T' }
  const { op, done } = await save(at, at.known({ a: 1 }, { texts }))
  const { verb, was, mine, sess, expire, aliveAt } = op
  assert.deepEqual({ verb, was, expire }, { verb: 'replace', was: 'T', expire: LATER })
  assert.equal(mine, sess)
  isNow(aliveAt)
  assert.equal(op.lastKnownTexts(), texts)
  assert.equal(op.mayBeMissing(), false)
  assert.equal(done(['sid', 'true', 'stored']), undefined)
  assert.deepEqual(op.lastKnownTexts(), { base: sess, row: 'stored' })
  done(['sid'])
  done(undefined)
  assert.deepEqual(op.lastKnownTexts(), { base: sess, row: 'stored' }, 'what is not known changes nothing')
  const merged = await save(at, at.known({}, { texts: { base: 'A', row: 'B' } }))
  assert.equal(merged.op.was, UNKNOWN, 'after a merge the row differs from what the app has')
})

test('what a save takes over from another request decides when the session expires, also at later touches', async () => {
  const at = saving({
    onConflict: 'merge',
    touchInterval: 0,
    ttl: (session) => Reflect.get(session, 'lives') ?? 50,
  })
  const session = at.known({ cookie: {} })
  const touched = () => (moved(at, session) as any).operation.expire
  const { op, done } = await save(at, session)
  isNow(op.expire - 50)
  const [mine, merged] = [{ cookie: {} }, { cookie: {}, lives: 5000 }]
  const expire = op.onMerged({ mine, merged })
  isNow(expire - 5000)
  done(['sid', 'true', 'stored'])
  assert.equal(at.of(session).expire, expire)
  at.of(session).expire -= 10
  isNow(touched() - 5000)
  Reflect.set(session, 'lives', 70)
  isNow(touched() - 70)
  ;(await save(at, session)).done(['sid', 'true', 'stored'])
  assert.equal(at.of(session).merge, undefined)
})

test('a `ttl` function that fails for what was merged is given the session of the request', async () => {
  const needsRequest = (session: object) => Reflect.get(session, 'req').lifetime
  const at = saving({ onConflict: 'merge', ttl: needsRequest })
  const session = Object.defineProperty(sessionOf({ cookie: {} }), 'req', { value: { lifetime: 50 } })
  const { op } = await save(at, at.known({}, {}, session))
  isNow(op.onMerged({ mine: { cookie: {} }, merged: { cookie: {}, a: 1 } }) - 50)
})

test('a new session that compares is inserted, and what was never stored replaces nothing known', async () => {
  const at = saving({ onConflict: 'merge' })
  const session = fresh()
  const { op, done } = await save(at, session)
  assert.deepEqual([op.verb, op.was, op.aliveAt], ['insert', UNKNOWN, 0])
  done(['sid', 'true', op.sess])
  assert.deepEqual(at.of(session).texts, { base: op.sess, row: op.sess })
  assert.equal(await verb(at, session), 'replace')
  assert.equal(await verb(at, at.known({}, { expire: NOW - 5, texts: { base: 'T', row: 'T' } })), 'replace')
  assert.equal(await verb(at, sessionOf()), 'upsert', 'a plain object')
})

test('with `maxLifetime` a new session says when it was created, and ends by it', async () => {
  const at = saving({ maxLifetime: 50 })
  const session = fresh({ a: 1 })
  const { op, done } = await save(at, session)
  const { a, [created]: creation } = JSON.parse(op.sess)
  assert.equal(a, 1)
  assert.ok(Math.abs(creation - NOW) < 60)
  assert.deepEqual([op.verb, op.was, op.expire], ['insert', UNKNOWN, creation + 50])
  assert.equal(op.lastKnownTexts(), undefined)
  assert.equal((session as any)[created], undefined)
  await done(['sid', 'true', op.sess])
  assert.deepEqual(at.of(session).creation, { at: creation, isStored: true })
  assert.equal(await verb(at, session), 'update')
})

test('a row ends by `maxLifetime` or with its expiry; without it, its text is not even parsed', async () => {
  const row = ['sid', JSON.stringify({ [created]: 1000 }), '5000', null] as unknown as Row
  let parsed = 0
  const serializer = {
    stringify: JSON.stringify,
    parse(text: string) {
      parsed++
      return JSON.parse(text)
    },
  }
  const ends = async (options: Options) => endOf(row, parseOptions({ serializer, ...options }))
  assert.deepEqual([await ends({}), parsed], [5000, 0])
  assert.deepEqual([await ends({ maxLifetime: 50 }), parsed], [1050, 1])
  assert.deepEqual([await ends({ maxLifetime: 9000 }), parsed], [5000, 2])
})

test('with `maxLifetime` a session learns the creation of the row that it was stored over', async () => {
  const at = saving({ maxLifetime: 5000 })
  const session = fresh()
  const { done } = await save(at, session)
  await done(['sid', 'true', JSON.stringify({ [created]: NOW - 100 })])
  assert.deepEqual(at.of(session).creation, { at: NOW - 100, isStored: true })
  await done(['sid', 'true', 'no JSON'])
  assert.equal(at.of(session).creation?.isStored, true)
})

test('with `maxLifetime` a session that knows its creation is updated as always, and another looks first', async () => {
  const at = saving({ maxLifetime: 5000 })
  const stored = { at: NOW - 100, isStored: true }
  const { op, done } = await save(at, at.known({}, { creation: stored }))
  assert.equal(op.verb, 'update')
  assert.equal(JSON.parse(op.sess)[created], NOW - 100)
  await done(['sid'])
  const old = at.known({}, { creation: { at: NOW - 100, isStored: false } })
  const looking = await save(at, old)
  assert.deepEqual([looking.op.verb, looking.op.was], ['replace', UNKNOWN])
  assert.equal(looking.op.mayBeMissing(), false)
  assert.equal(await verb(at, sessionOf()), 'insert', 'a plain object')
})

test('with `maxLifetime` a touch of a session whose creation is not stored looks at the row', async () => {
  const at = saving({ maxLifetime: 50 })
  const stored = at.known({}, { creation: { at: NOW, isStored: true }, expire: NOW + 10 })
  assert.deepEqual((moved(at, stored)!.operation as any).expire, NOW + 50)
  const old = at.known({}, { creation: { at: NOW - 10, isStored: false } })
  const look = moved(at, old)!.operation as Replace
  assert.equal(look.verb, 'replace')
  const learnt = (await look.onRow!('{}')) as Replace
  assert.equal(JSON.parse(learnt.sess)[created], NOW - 10)
  assert.equal((moved(at, sessionOf())!.operation as any).verb, 'replace')
  const disabled = saving({ maxLifetime: 50, disableTouch: true })
  assert.equal(moved(disabled, sessionOf()), undefined)
  const quiet = disabled.known({}, { creation: { at: NOW, isStored: true } })
  assert.equal(moved(disabled, quiet), undefined)
  const learning = disabled.known({}, { expire: NOW + 7, creation: { at: NOW, isStored: false } })
  assert.equal((moved(disabled, learning)!.operation as any).expire, NOW + 7, 'without a later expiry')
})

const settingsOf = (options: Options = {}) => parseOptions(options)
const textsOf = (base: string, row = base) => ({ base, row })
const loadedWith = (texts: Loaded['texts']) => ({ texts }) as Loaded
const A_SAVE = { sess: '{"a":2}', expire: 9, aliveAt: 5 }

const follow = async (
  op: Replace,
  answer: readonly (string | null)[] | undefined,
  options: Options = { onConflict: 'error' },
) => {
  let conflicts = 0
  const next = followUp(op, answer, settingsOf(options), () => conflicts++)
  return { next: (await next) as any, conflicts: () => conflicts }
}

test('a save is complete once its text was stored, or a trigger keeps what was expected', async () => {
  const op = replaceOf(loadedWith(textsOf('{"a":1}')), A_SAVE, () => false)
  assert.equal((await follow(op, ['sid', 'true', 'anything'])).next, undefined)
  assert.equal((await follow(op, ['sid', 'false', '{"a":1}'])).next, undefined)
  assert.equal((await follow(op, undefined)).next, undefined, 'a row that was destroyed stays so')
  assert.equal((await follow({ ...op, verb: 'insert' }, ['sid', 'true', '{}'])).next, undefined)
})

test('a row that is missing because it may have expired is inserted, and no two statements take turns for ever', async () => {
  const op = replaceOf(loadedWith(textsOf('{"a":1}')), A_SAVE, () => true)
  assert.equal(op.verb, 'replace')
  assert.equal(replaceOf(loadedWith(undefined), A_SAVE, () => true).verb, 'insert')
  assert.equal(replaceOf(loadedWith(undefined), A_SAVE, () => false).verb, 'replace')
  const insert = (await follow(op, undefined)).next
  assert.deepEqual([insert.verb, insert.sess, insert.was], ['insert', '{"a":2}', '{"a":1}'])
  const { next } = await follow({ ...op, found: true }, undefined)
  assert.deepEqual(next, { verb: 'upsert', ...A_SAVE })
})

test('an insert that finds a row replaces it if the session was loaded, and upserts a new one', async () => {
  const known = replaceOf(loadedWith(textsOf('{"a":1}')), A_SAVE, () => true)
  const { next } = await follow({ ...known, verb: 'insert' }, undefined)
  assert.deepEqual([next.verb, next.mayBeMissing()], ['replace', false])
  const unknown = replaceOf(loadedWith(undefined), A_SAVE, () => true)
  assert.deepEqual((await follow(unknown, undefined)).next, { verb: 'upsert', ...A_SAVE })
  const lifetimes = (await follow(unknown, undefined, { maxLifetime: 5 })).next
  assert.deepEqual([lifetimes.verb, lifetimes.found], ['replace', true])
})

test('a row that somebody else has changed is a conflict', async () => {
  const op = replaceOf(loadedWith(textsOf('{"a":1}')), A_SAVE, () => false)
  let conflicts = 0
  const next = followUp(
    op,
    ['sid', 'false', '{"a":3}'],
    settingsOf({ onConflict: 'error' }),
    () => conflicts++,
  )
  assert.equal((await failure(next!)).code, 'STORE_CONFLICT')
  assert.equal(conflicts, 1)
})

test('a row with the text that this request stored itself meanwhile is none', async () => {
  const loaded = loadedWith(textsOf('{"a":1}'))
  const op = replaceOf(loaded, A_SAVE, () => true)
  loaded.texts = textsOf('{"a":3}')
  const serializer = {
    stringify: JSON.stringify,
    parse: () => {
      throw new Error('nothing has to be read')
    },
  }
  for (const onConflict of ['error', 'merge'] as const) {
    const { next, conflicts } = await follow(op, ['sid', 'false', '{"a":3}'], { onConflict, serializer })
    assert.deepEqual([next.verb, next.was, next.sess], ['replace', '{"a":3}', '{"a":2}'])
    assert.equal(next.mayBeMissing(), false, 'if it is gone by then, it was destroyed')
    assert.equal(conflicts(), 0)
  }
  loaded.texts = undefined
  const { next, conflicts } = await follow(op, ['sid', 'false', '{"a":4}'])
  assert.deepEqual([next.was, next.sess, conflicts()], ['{"a":4}', '{"a":2}', 0], 'a new session is stored')
})

test('a merge puts the changes of this request over the row, also after an earlier merge', async () => {
  const op = replaceOf(loadedWith(textsOf('{"a":1}')), A_SAVE, () => false)
  const { next, conflicts } = await follow(op, ['sid', 'false', '{"a":1,"b":1}'], { onConflict: 'merge' })
  assert.deepEqual([next.sess, next.was, next.mine], ['{"a":2,"b":1}', '{"a":1,"b":1}', '{"a":2}'])
  assert.equal(conflicts(), 1)
  const merged = replaceOf(loadedWith(textsOf('{"a":1}', '{"a":1,"b":1}')), A_SAVE, () => false)
  assert.equal(merged.was, UNKNOWN)
  const again = await follow(merged, ['sid', 'false', '{"a":1,"b":1}'], { onConflict: 'merge' })
  assert.equal(again.next.sess, '{"a":2,"b":1}', 'what others stored is kept')
  assert.equal(again.conflicts(), 0, 'it was counted when it was merged first')
  const onMerged = ({ mine, merged }: Merge) => Object.keys(mine).length + Object.keys(merged).length
  const row = JSON.stringify({ a: 1, b: 1, [created]: 5 })
  const { next: timed } = await follow({ ...op, onMerged }, ['sid', 'false', row], {
    onConflict: 'merge',
  })
  assert.deepEqual([next.expire, timed.expire], [A_SAVE.expire, 3], 'when the merged session expires')
  const { next: error } = await follow(merged, ['sid', 'false', '{"a":1,"b":1}'], { onConflict: 'error' })
  assert.equal(error.sess, '{"a":2}')
})

test('the serializer works on a conflict in the async context of the save', async () => {
  const request = new AsyncLocalStorage<string>()
  const seen: unknown[] = []
  const serializer = {
    stringify: (session: SessionData) => {
      seen.push(request.getStore())
      return JSON.stringify(session)
    },
    parse: JSON.parse,
  }
  const op = request.run('request', () => replaceOf(loadedWith(textsOf('{"a":1}')), A_SAVE, () => false))
  await follow(op, ['sid', 'false', '{"a":3}'], { onConflict: 'merge', serializer })
  assert.deepEqual(seen, ['request'])
  const look = request.run('request', () => lookingSave('replace', A_SAVE, () => false))
  assert.equal(
    look.inContext(() => request.getStore()),
    'request',
  )
})

test('with `maxLifetime` a row that only learnt its creation is no conflict', async () => {
  const op = replaceOf(loadedWith(textsOf('{"a":1}')), A_SAVE, () => false)
  const row = `{"a":1,"${created}":5}`
  const options: Options = { onConflict: 'error', maxLifetime: 1e9 }
  const { next, conflicts } = await follow(op, ['sid', 'false', row], options)
  assert.deepEqual([next.sess, next.was, conflicts()], ['{"a":2}', row, 0])
  assert.equal(
    (await failure(follow(op, ['sid', 'false', row], { onConflict: 'error' }))).code,
    'STORE_CONFLICT',
  )
})

test('what a save has stored is known only from an answer with a text', () => {
  assert.equal(storedText(undefined), undefined)
  assert.equal(storedText(['sid']), undefined, 'a destroy was folded over it')
  assert.equal(storedText(['sid', 'true', 'text']), 'text')
})

test('a looking touch takes over the creation of its row, or stores one', async () => {
  const settings = settingsOf({ maxLifetime: 100 })
  const look = lookingTouch({ verb: 'touch', expire: NOW + 1000, aliveAt: 5 }, NOW - 10, settings)
  const { verb, sess, was, expire, aliveAt } = look
  assert.deepEqual(
    { verb, sess, was, expire, aliveAt },
    {
      ...{ verb: 'replace', sess: UNKNOWN, was: UNKNOWN, expire: NOW + 1000, aliveAt: 5 },
    },
  )
  assert.equal(look.mayBeMissing(), false)
  const known = await look.onRow!(`{"${created}":${NOW - 50}}`)
  assert.deepEqual(known, { verb: 'touch', expire: NOW + 50, aliveAt: 5 })
  const row = '{"a":1}'
  const learnt = (await look.onRow!(row)) as Replace
  assert.deepEqual([learnt.verb, learnt.was, learnt.expire], ['replace', row, NOW + 90])
  assert.deepEqual(JSON.parse(learnt.sess), { a: 1, [created]: NOW - 10 })
  const { next } = await follow(look, ['sid', 'false', row], { maxLifetime: 100 })
  assert.equal(next.was, row, 'it is done once the row is known')
})

test('an expiry is never later than the session’s end', () => {
  assert.equal(withinLifetime(500, 100, { maxLifetime: 50.7 }), 150)
  assert.equal(withinLifetime(120, 100, { maxLifetime: 50 }), 120)
  assert.equal(withinLifetime(500, undefined, { maxLifetime: 50 }), 500)
  assert.equal(withinLifetime(500, 100, { maxLifetime: undefined }), 500)
})

test('a creation is taken out of what was read, and one that is missing is now', () => {
  const session = { a: 1, [created]: 5 } as unknown as SessionData
  assert.deepEqual(takeCreation(session), { at: 5, isStored: true })
  assert.deepEqual(session, { a: 1 })
  assert.equal(takeCreation(session).isStored, false)
})

test('a serializer that drops the creation is noticed at the first session, and asked no more once it keeps it', async () => {
  const settings = (keeps: boolean) => {
    let parsed = 0
    const serializer = {
      stringify: (session: SessionData) => (keeps ? JSON.stringify(session) : '{}'),
      parse: (text: string) => {
        parsed++
        return JSON.parse(text)
      },
    }
    return { maxLifetime: 5, serializer, parsed: () => parsed }
  }
  const good = settings(true)
  const first = encodeWithCreation(sessionOf(), 5, good)
  assert.ok(first instanceof Promise)
  assert.equal(JSON.parse(await first)[created], 5)
  assert.equal(good.parsed(), 1)
  const second = encodeWithCreation(sessionOf(), 6, good)
  assert.equal(JSON.parse(second as string)[created], 6)
  assert.equal(good.parsed(), 1)
  const bad = settings(false)
  for (let i = 0; i < 2; i++) {
    const error = await failure(Promise.resolve(encodeWithCreation(sessionOf(), 5, bad)))
    assert.equal(error.code, 'STORE_SESSION')
    assert.match(
      error.message,
      /: the `serializer` does not keep all top-level keys, as `maxLifetime` needs$/,
    )
  }
  const throwing = { maxLifetime: 5, serializer: { stringify: () => 'x', parse: JSON.parse } }
  const error = await failure(Promise.resolve(encodeWithCreation(sessionOf(), 5, throwing)))
  assert.match(error.message, /does not keep all top-level keys/)
})

test('what is no session says no creation', () => {
  const { serializer } = settingsOf()
  for (const none of [[1], null, 'text'] as unknown as SessionData[]) {
    const encode = () => encodeWithCreation(none, 5, { maxLifetime: 5, serializer })
    if (Array.isArray(none)) assert.equal(encode(), '[1]')
    else assert.throws(encode, /it is not an object/)
  }
})

test('a text that cannot be read says no creation', async () => {
  const settings = settingsOf({ maxLifetime: 5 })
  assert.equal(await creationOf('no JSON', settings), undefined)
  assert.equal(await creationOf('{}', settings), undefined)
  assert.equal(await creationOf(`{"${created}":7}`, settings), 7)
})

test('a save over a row takes the earlier creation of both', async () => {
  const settings = settingsOf({ maxLifetime: 100 })
  const text = (at?: number) => JSON.stringify({ a: 1, ...(at !== undefined && { [created]: at }) })
  const op = lookingSave('replace', { sess: text(50), expire: 150, aliveAt: 5 }, () => false)
  const over = async (row: string, from: Replace = op) => {
    const { sess, was, expire } = await overRow(from, row, settings)
    assert.equal(was, row)
    return [JSON.parse(sess)[created], expire]
  }
  assert.deepEqual(await over(text(20)), [20, 120])
  assert.deepEqual(await over(text(80)), [50, 150])
  assert.deepEqual(await over(text()), [50, 150])
  assert.deepEqual(await over('no JSON'), [50, 150])
  const merged = { ...op, sess: text(80) }
  assert.deepEqual(await over(text(80), merged), [50, 150], 'also where a merge has taken the later one')
  const array = { ...op, sess: '[1]', mine: '[1]' }
  assert.equal((await overRow(array, text(20), settings)).sess, '[1]')
  assert.equal((await overRow(op, text(20), settingsOf())).sess, text(50), 'not without `maxLifetime`')
})

test('two texts are one session if they differ in spelling alone, and with `maxLifetime` in the creation', async () => {
  const isSame = (one: string, other: string, options: Options = { maxLifetime: 5 }) =>
    isSameSession(one, other, settingsOf(options))
  assert.equal(await isSame('{"a":1}', `{"${created}":5,"a":1}`), true)
  assert.equal(await isSame(`{"${created}":5,"a":1}`, '{"a":1}'), true)
  assert.equal(await isSame('{"a":1}', '{"a":2}'), false)
  assert.equal(await isSame('no JSON', 'no JSON'), false)
  assert.equal(await isSame('{"a":1,"b":2}', '{"b": 2, "a": 1}', {}), true)
  assert.equal(await isSame('{"a":1}', `{"${created}":5,"a":1}`, {}), false)
})

test('a serializer that does not answer leaves it open what a text says', async () => {
  const serializer = { stringify: () => 'x', parse: () => new Promise<never>(() => {}) }
  const stuck = settingsOf({ maxLifetime: 5, timeout: 0.01, serializer })
  const asked = [
    isSameSession('{}', '{}', stuck),
    creationOf('{}', stuck),
    encodeWithCreation(sessionOf(), 5, stuck),
  ]
  for (const call of asked) assert.equal((await failure(Promise.resolve(call))).code, 'STORE_TIMEOUT')
})

test('a verb decides what comes first of a save that looks', () => {
  const op = lookingSave('insert', A_SAVE, () => true)
  assert.deepEqual([op.verb, op.was, op.mine, op.lastKnownTexts()], ['insert', UNKNOWN, '{"a":2}', undefined])
  assert.equal(op.mayBeMissing(), true)
  const kept: Operation = op
  assert.equal(kept.verb, 'insert')
})
