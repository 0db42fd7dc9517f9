// From rows to sessions, which objects are known again, and what is told of rows that are gone. No database.

import assert from 'node:assert/strict'
import { AsyncLocalStorage } from 'node:async_hooks'
import { EventEmitter } from 'node:events'
import type { SessionData } from 'express-session'
import { Events } from '../../src/events.ts'
import type { Options } from '../../src/options.ts'
import { leaveTrace, traceOn } from '../../src/session/copies.ts'
import { type Entry, entries } from '../../src/session/entries.ts'
import { expiredTeller } from '../../src/session/expired.ts'
import { carryLoaded, carryLoadedToCopy, LoadedSessions } from '../../src/session/loaded.ts'
import { logouts } from '../../src/session/logouts.ts'
import { Reader } from '../../src/session/reader.ts'
import { parseOptions } from '../../src/settings/settings.ts'
import type { Row } from '../../src/table/row.ts'
import { failure } from '../support/failure.ts'
import { promises } from '../support/promise.ts'

const test = promises('reading')

const LATER = Math.ceil(Date.now() / 1000) + 1000
const THEN = Math.floor(Date.now() / 1000) - 100
const created = 'connect-postgres-simple:created'

const reading = (options: Options = {}) => {
  const loaded = new LoadedSessions()
  return { loaded, reader: new Reader(parseOptions(options), loaded) }
}
const row = (text: string | null, expire: number | string = LATER, sid = 'sid'): Row => [
  ...([sid, text, String(expire)] as const),
]
const read = async ({ reader }: ReturnType<typeof reading>, ...of: Parameters<typeof row>) =>
  (await reader.read(row(...of), 7)) as any

test('a session that was read is known again, with what its row said', async () => {
  const at = reading()
  const session = await read(at, '{"a":1}')
  assert.deepEqual(session, { a: 1 })
  const { by, ...known } = at.loaded.of(session, 'sid')!
  assert.equal(by, at.loaded)
  assert.deepEqual(known, {
    ...{ sid: 'sid', expire: LATER, logoutCount: 7, texts: undefined, merge: undefined, creation: undefined },
  })
  assert.equal(at.loaded.of(session, 'other'), undefined, 'not under another sid')
  assert.equal(reading().loaded.of(session, 'sid'), undefined, 'not to another store')
  for (const unknown of [{ a: 1 }, null, undefined, 'text', 5])
    assert.equal(at.loaded.of(unknown, 'sid'), undefined)
})

test('the text of a row is kept only where saves are compared with it', async () => {
  for (const onConflict of ['merge', 'error'] as const) {
    const at = reading({ onConflict })
    const session = await read(at, '{"a":1}')
    assert.deepEqual(at.loaded.of(session, 'sid')?.texts, { base: '{"a":1}', row: '{"a":1}' })
  }
})

test('a session is given at once, unless the serializer takes its time', async () => {
  assert.ok(!(reading().reader.read(row('{}'), 0) instanceof Promise))
  const serializer = { stringify: () => 'x', parse: async () => ({ late: true }) as unknown as SessionData }
  const at = reading({ serializer })
  const session = at.reader.read(row('x'), 0)
  assert.ok(session instanceof Promise)
  assert.ok(at.loaded.of(await session, 'sid'))
})

test('a row without a text, or with one that is no session, is an error', async () => {
  for (const text of [null, 'no JSON', '5']) {
    const { code } = await failure(read(reading(), text))
    assert.equal(code, 'STORE_SESSION')
  }
  assert.throws(() => reading().reader.read(row(null), 0), /can be read: the column is null$/)
})

test('a session whose cookie has ended is none', async () => {
  const expires = new Date(Date.now() - 1)
  const at = reading()
  const text = JSON.stringify({ cookie: { expires } })
  assert.equal(await read(at, text, Math.ceil(expires.getTime() / 1000)), null)
})

test('with `maxLifetime` a session ends so long after its creation, whatever its row says', async () => {
  const at = reading({ maxLifetime: 200 })
  const text = (at: number) => JSON.stringify({ a: 1, [created]: at, cookie: { expires: new Date(0) } })
  const session = await read(at, text(THEN))
  assert.deepEqual(Object.keys(session), ['a', 'cookie'], 'the app does not see it')
  assert.equal(session.cookie.expires, new Date((THEN + 200) * 1000).toISOString())
  const known = at.loaded.of(session, 'sid')!
  assert.deepEqual(known.creation, { at: THEN, isStored: true })
  assert.equal(known.expire, LATER, 'what the row says')
  assert.equal(at.reader.expiryOf(session, 'sid'), THEN + 200)
  assert.equal(await read(at, text(THEN - 200)), null)
  const real = Date.now
  try {
    Date.now = () => (THEN + 200) * 1000
    assert.ok(await read(at, text(THEN)), 'until its last second')
  } finally {
    Date.now = real
  }
  const old = await read(at, '{"a":1}')
  const { creation } = at.loaded.of(old, 'sid')!
  assert.equal(creation?.isStored, false)
  assert.ok(Math.abs(creation!.at - Date.now() / 1000) < 60, 'counted from now')
})

test('without `maxLifetime` what looks like a creation is the app’s own', async () => {
  const at = reading()
  const session = await read(at, JSON.stringify({ [created]: 5 }))
  assert.equal(session[created], 5)
  assert.equal(at.reader.expiryOf(session, 'sid'), LATER)
})

test('a row whose expiry no Date can represent leaves the cookie as it is', async () => {
  const text = JSON.stringify({ cookie: { expires: '2100-01-01T00:00:00.000Z' } })
  for (const expire of ['9e12', 'Infinity']) {
    const session = await read(reading(), text, expire)
    assert.equal(session.cookie.expires, '2100-01-01T00:00:00.000Z')
  }
})

test('the usual length of a text follows what is read, slowly', async () => {
  const at = reading()
  assert.equal(at.reader.usualLength, 0)
  const text = JSON.stringify('x'.repeat(998))
  await failure(read(at, text))
  assert.equal(at.reader.usualLength, 10)
  await failure(read(at, text))
  assert.equal(at.reader.usualLength, 19.9)
})

/** A session as express-session makes a new one. */
const fresh = (id: string, more: object = { req: {} }) =>
  Object.defineProperty({ ...more }, 'id', { value: id, enumerable: false })

test('a new session of a request counts as loaded once it is stored, and no other object does', () => {
  const { loaded } = reading()
  const session = fresh('sid')
  const adopted = loaded.adopt(session, 'sid', 3, undefined)
  assert.deepEqual(
    { ...adopted, by: 0 },
    {
      ...{
        by: 0,
        sid: 'sid',
        expire: 0,
        logoutCount: 3,
        texts: undefined,
        merge: undefined,
        creation: undefined,
      },
    },
  )
  assert.equal(loaded.of(session, 'sid'), adopted)
  assert.equal(loaded.adopt(session, 'sid', 3, undefined), undefined, 'not a second time')
  const inherited = Object.create({ sessionId: 'sid' })
  assert.ok(loaded.adopt(inherited, 'sid', 3, undefined), 'that of @fastify/session inherits its id')
  for (const other of [
    null,
    undefined,
    'text',
    { id: 'sid', req: {} },
    fresh('other'),
    fresh('sid', {}),
    { sessionId: 'sid' },
    Object.create({ sessionId: 'other' }),
    {},
  ]) {
    assert.equal(loaded.adopt(other, 'sid', 3, undefined), undefined)
  }
  assert.equal(reading().loaded.adopt(session, 'sid', 3, undefined), undefined, 'it stays the other store’s')
})

test('what is known of a session goes with it into the object that express-session makes of it', async () => {
  const at = reading()
  const session = await read(at, '{}')
  const made = {}
  carryLoaded(session, made)
  assert.equal(at.loaded.of(made, 'sid'), at.loaded.of(session, 'sid'))
  const later = await read(at, '{}', LATER + 5)
  carryLoaded(later, made)
  assert.equal(at.loaded.of(made, 'sid')?.expire, LATER + 5, 'the newer knowledge wins')
  carryLoaded({}, made)
  assert.equal(at.loaded.of(made, 'sid')?.expire, LATER + 5, 'nothing is forgotten')
  const unknown = {}
  carryLoaded({}, unknown)
  assert.equal(at.loaded.of(unknown, 'sid'), undefined)
})

/** Copies a session as @fastify/session does. */
const copyOf = ({ cookie }: any) => ({ [Symbol('options')]: cookie.toJSON() })

test('what is known of a session is found on the copy that @fastify/session makes', async () => {
  const at = reading()
  const session = await read(at, '{"cookie":{"path":"/"}}')
  const before = JSON.stringify(session)
  carryLoadedToCopy(session)
  assert.equal(JSON.stringify(session), before)
  assert.deepEqual(Object.keys(session.cookie), ['path'])
  const copy = copyOf(session)
  assert.equal(at.loaded.of(copy, 'sid'), at.loaded.of(session, 'sid'))
  assert.equal(JSON.stringify(copy), '{}')
  session.cookie.toJSON = () => 'replaced'
  delete session.cookie.toJSON
  const unknown = { cookie: {} } as SessionData
  carryLoadedToCopy(unknown)
  assert.equal('toJSON' in unknown.cookie, false)
})

test('no trace is left on what has no cookie, or a cookie with a `toJSON` of its own', () => {
  for (const cookie of [undefined, null, 'text', Object.freeze({ path: '/' })])
    leaveTrace({ cookie } as never, {})
  const own = { toJSON: () => 'mine' }
  leaveTrace({ cookie: own } as never, {})
  assert.equal(own.toJSON(), 'mine')
  const mark = {}
  const cookie = {} as any
  leaveTrace({ cookie } as never, mark)
  assert.equal(traceOn({ [Symbol('x')]: cookie.toJSON() }), mark)
  assert.equal(traceOn({ [Symbol('y')]: 5, [Symbol('z')]: null, [Symbol('x')]: cookie.toJSON() }), mark)
  for (const none of [null, undefined, 'text', {}, { [Symbol('x')]: {} }])
    assert.equal(traceOn(none), undefined)
  let asked = false
  const getter = Object.defineProperty({}, Symbol('x'), {
    get() {
      asked = true
    },
  })
  assert.equal(traceOn(getter), undefined)
  assert.equal(asked, false, 'no getter of the app is called')
})

const allOf = async (pages: Row[][], limit = 2, options: Options = {}) => {
  const asked: string[] = []
  const reported: unknown[] = []
  const { reader } = reading(options)
  const all: Entry[] = []
  const source = {
    limit,
    reader,
    rowsAfter: async (sid: string) => {
      asked.push(sid)
      return pages.shift()!
    },
    errorLog: (message: string, error: unknown) => reported.push([message, (error as Error).message]),
  }
  for await (const entry of entries(source)) all.push(entry)
  return { all, asked, reported }
}

test('all rows are read, page after page, each behind the last sid', async () => {
  const page = (...sids: string[]) => sids.map((sid) => row('{}', LATER, sid))
  const { all, asked } = await allOf([page('a', 'b'), page('c', 'd'), page('e')])
  assert.deepEqual(
    all.map(({ sid }) => sid),
    [...'abcde'],
  )
  assert.deepEqual(asked, ['', 'b', 'd'])
  assert.deepEqual(all[0], { sid: 'a', session: {}, expires: new Date(LATER * 1000) })
  assert.deepEqual((await allOf([page('a', 'b'), []])).asked, ['', 'b'])
})

test('a row that cannot be read is skipped and reported, and one that has ended is skipped', async () => {
  const expires = new Date(Date.now() - 1)
  const ended = row(JSON.stringify({ cookie: { expires } }), Math.ceil(expires.getTime() / 1000), 'b')
  const { all, asked, reported } = await allOf([
    [row('no JSON', LATER, 'a'), ended],
    [row('{}', LATER, 'c'), row('5', LATER, 'd')],
    [row(null, LATER, 'e'), row(null, LATER, 'f')],
    [],
  ])
  assert.deepEqual(
    all.map(({ sid }) => sid),
    ['c'],
  )
  assert.deepEqual(asked, ['', 'b', 'd', 'f'])
  const why = 'The row does not hold a session that can be read'
  assert.deepEqual(reported, [
    ['Skipped 1 session(s) that cannot be read', `${why}: parse failed`],
    ['Skipped 1 session(s) that cannot be read', `${why}: it is not an object`],
    ['Skipped 2 session(s) that cannot be read', `${why}: the column is null`],
  ])
})

test('a serializer that does not answer is waited for once, and not again at each row', async () => {
  const serializer = { stringify: () => 'x', parse: () => new Promise<SessionData>(() => {}) }
  const { reader } = reading({ serializer, timeout: 0.01 })
  const reported: string[] = []
  const source = {
    limit: 4,
    reader,
    rowsAfter: async () => [row(null, LATER, 'a'), row('{}', LATER, 'b'), row('{}', LATER, 'c')],
    errorLog: (message: string) => reported.push(message),
  }
  assert.equal((await failure(entries(source).next())).code, 'STORE_TIMEOUT')
  assert.deepEqual(reported, ['Skipped 1 session(s) that cannot be read'])
})

test('a session that comes with all others knows which logouts came before its row', async () => {
  const { reader, loaded } = reading()
  const before = logouts.count
  const source = {
    limit: 2,
    reader,
    rowsAfter: async () => {
      logouts.add('a')
      return [row('{}', LATER, 'a')]
    },
    errorLog() {},
  }
  for await (const { session } of entries(source)) {
    assert.equal(loaded.of(session, 'a')?.logoutCount, before)
  }
})

const telling = (options: Options = {}) => {
  const emitter = new EventEmitter()
  const reported: unknown[] = []
  const errorLog = (message: string, error: unknown) => {
    reported.push([message, (error as Error).message])
  }
  const told: { sid: string; session: SessionData | null }[] = []
  emitter.on('expire', (event) => told.push(event))
  const settings = { ...parseOptions(options), errorLog }
  return { tell: expiredTeller(settings, new Events(emitter, errorLog)), told, reported, emitter }
}

test('each row that a prune has deleted is told of, also one that cannot be read, which is reported', async () => {
  const { tell, told, reported } = telling()
  await tell([
    ['a', `{"x":1,"${created}":5}`],
    ['b', 'no JSON'],
    ['c', null],
  ])
  assert.deepEqual(
    told.sort((one, other) => (one.sid < other.sid ? -1 : 1)),
    [
      { sid: 'a', session: { x: 1, [created]: 5 } },
      { sid: 'b', session: null },
      { sid: 'c', session: null },
    ],
  )
  assert.equal(reported.length, 1)
  assert.match(String(reported[0]), /^Pruned 2 session\(s\) that cannot be read,The row does not hold/)
  reported.length = 0
  await tell([])
  await tell([['d', '{}']])
  await tell([['e', null]])
  assert.deepEqual(reported, [
    [
      ...[
        'Pruned 1 session(s) that cannot be read',
        'The row does not hold a session that can be read: the column is null',
      ],
    ],
  ])
})

test('with `maxLifetime` the creation is taken out of what is told', async () => {
  const { tell, told } = telling({ maxLifetime: 5 })
  await tell([['a', `{"x":1,"${created}":5}`]])
  assert.deepEqual(told, [{ sid: 'a', session: { x: 1 } }])
})

test('a session whose serializer never answers is told of as one that cannot be read', async () => {
  const serializer = { stringify: () => 'x', parse: () => new Promise<SessionData>(() => {}) }
  const { tell, told } = telling({ serializer, timeout: 0.01 })
  await tell([['a', 'x']])
  assert.deepEqual(told, [{ sid: 'a', session: null }])
})

test('listeners for expired sessions are in no request’s async context', async () => {
  const request = new AsyncLocalStorage<string>()
  const { tell, emitter } = telling()
  const seen: unknown[] = []
  emitter.on('expire', () => seen.push(request.getStore()))
  await request.run('request', () => tell([['a', '{}']]))
  assert.deepEqual(seen, [undefined])
})
