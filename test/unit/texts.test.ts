// A session's text and its expiry. No database.

import assert from 'node:assert/strict'
import { runInNewContext } from 'node:vm'
import type { SessionData } from 'express-session'
import { StoreError } from '../../src/errors.ts'
import type { Serializer } from '../../src/options.ts'
import { creationIn, withCreation } from '../../src/session/creation.ts'
import { expireAt, withExpiryOfRow } from '../../src/session/expiry.ts'
import { Logouts } from '../../src/session/logouts.ts'
import { checkSid } from '../../src/session/sid.ts'
import { encode, parse } from '../../src/session/text.ts'
import {
  checkDestroyOptions,
  checkUserId,
  isOfUser,
  mayHoldId,
  sidsToDestroy,
} from '../../src/session/user.ts'
import { failure } from '../support/failure.ts'
import { promises } from '../support/promise.ts'

const test = promises('texts')

/** With the wall clock standing still. */
const atTime = <T>(ms: number, use: () => T): T => {
  const real = Date.now
  Date.now = () => ms
  try {
    return use()
  } finally {
    Date.now = real
  }
}
const of = (value: unknown) => value as SessionData
const stringifying = (stringify: (session: SessionData) => unknown) => ({ stringify }) as Serializer
const parsing = (parse: (text: string) => unknown) => ({ parse, stringify: JSON.stringify }) as Serializer
const thrown = (make: () => unknown): { code: string; message: string } => {
  try {
    make()
  } catch (error) {
    return error as { code: string; message: string }
  }
  throw new Error('expected an error')
}

test('a session becomes the text of its serializer, at once or later', async () => {
  assert.equal(encode(of({ a: 1 }), JSON), '{"a":1}')
  assert.equal(
    await encode(
      of({ a: 1 }),
      stringifying(async () => 'x'),
    ),
    'x',
  )
  const foreign = runInNewContext(`Promise.resolve('y')`)
  assert.equal(
    await encode(
      of({}),
      stringifying(() => foreign),
    ),
    'y',
  )
})

test('what is no session, or has no text, is refused with a reason and without data', async () => {
  const refusal = (reason: string) => ({
    ...{ name: 'StoreError', code: 'STORE_SESSION', message: `The session cannot be stored: ${reason}` },
  })
  for (const nothing of [undefined, null, 'hush', 5, () => {}])
    assert.throws(() => encode(of(nothing), JSON), refusal('it is not an object'))
  assert.throws(
    () => encode(of({ hush: 5n }), JSON),
    refusal('stringify threw: a circular reference, a BigInt, or a toJSON that throws'),
  )
  for (const none of [undefined, null, 5, {}])
    assert.throws(
      () =>
        encode(
          of({}),
          stringifying(() => none),
        ),
      refusal('stringify gave no string'),
    )
  const noText = refusal('stringify gave no well-formed string, or an empty one')
  for (const text of ['', '\ud800'])
    assert.throws(
      () =>
        encode(
          of({}),
          stringifying(() => text),
        ),
      noText,
    )
  for (const text of ['', '\ud800', 5, undefined]) {
    const { message } = (await failure(
      Promise.resolve(
        encode(
          of({}),
          stringifying(async () => text),
        ),
      ),
    )) as Error
    assert.equal(message, noText.message)
  }
  const rejecting = stringifying(() => Promise.reject(new Error('hush')))
  const { message } = (await failure(Promise.resolve(encode(of({}), rejecting)))) as Error
  assert.equal(message, 'The session cannot be stored: stringify rejected')
})

test('that a serializer was given up is no fault of the session', async () => {
  const [late, other] = ['STORE_TIMEOUT', 'STORE_BUSY'].map((code) => new StoreError(code, 'hush'))
  for (const call of [
    encode(
      of({}),
      stringifying(() => Promise.reject(late)),
    ),
    parse(
      'x',
      parsing(() => Promise.reject(late)),
    ),
  ])
    assert.equal(await failure(Promise.resolve(call)), late)
  const lookalike = Object.assign(new Error('hush'), { code: 'STORE_TIMEOUT' })
  for (const reason of [other, lookalike]) {
    const { code } = await failure(
      Promise.resolve(
        parse(
          'x',
          parsing(() => Promise.reject(reason)),
        ),
      ),
    )
    assert.equal(code, 'STORE_SESSION')
  }
})

test('a text becomes a session, at once or later, or an error with a reason and without data', async () => {
  const session = {}
  assert.equal(
    parse(
      'x',
      parsing(() => session),
    ),
    session,
  )
  assert.equal(
    await parse(
      'x',
      parsing(async () => session),
    ),
    session,
  )
  const refusal = (reason: string) => ({
    ...{ name: 'StoreError', code: 'STORE_SESSION' },
    message: `The row does not hold a session that can be read: ${reason}`,
  })
  assert.throws(() => parse('hush', parsing(JSON.parse)), refusal('parse failed'))
  for (const nothing of [undefined, null, 5, 'hush', () => {}]) {
    assert.throws(
      () =>
        parse(
          'x',
          parsing(() => nothing),
        ),
      refusal('it is not an object'),
    )
    const later = parse(
      'x',
      parsing(async () => nothing),
    )
    assert.equal(
      ((await failure(Promise.resolve(later))) as Error).message,
      refusal('it is not an object').message,
    )
  }
  const rejecting = parse(
    'x',
    parsing(() => Promise.reject(new Error('hush'))),
  )
  const { message } = (await failure(Promise.resolve(rejecting))) as Error
  assert.equal(message, refusal('parse rejected').message)
})

test('a sid is a text that PostgreSQL can hold and that no other sid is sent as', () => {
  for (const sid of ['a', 'ä🦉', ' ', '\u0001']) checkSid(sid)
  for (const wrong of ['', 'a\0b', '\ud800', undefined, null, 5, ['a']]) {
    assert.throws(() => checkSid(wrong), {
      ...{ name: 'StoreError', code: 'STORE_SID' },
      message: 'The session id must be a non-empty, well-formed string without NUL',
    })
  }
})

test('a session ends with its cookie, rounded up to a second, between 1970 and the last date there is', () => {
  const endOf = (expires: unknown) => expireAt(of({ cookie: { expires } }), 'sid', 0)
  assert.equal(endOf(new Date(10_000)), 10)
  assert.equal(endOf(new Date(10_001)), 11)
  assert.equal(endOf('1970-01-01T00:00:10.001Z'), 11)
  assert.equal(endOf(10_001), 11)
  assert.equal(endOf(new Date(-5000)), 0)
  assert.equal(endOf(8.64e15), 8.64e12)
  assert.equal(expireAt(of({ cookie: {} }), 'sid', Number.MAX_VALUE), 8.64e12)
})

test('without a date in the cookie a session ends by `ttl`, of which a function gets session and sid', () => {
  const about = (end: number, seconds: number) => {
    const from = Date.now() / 1000 + seconds
    assert.ok(end > from - 60 && end <= from + 1 && Number.isInteger(end), `${end} is not about ${from}`)
  }
  for (const session of [
    undefined,
    {},
    { cookie: {} },
    { cookie: { expires: false } },
    { cookie: { expires: null } },
  ])
    about(expireAt(of(session), 'sid', 5000), 5000)
  for (const expires of ['no date', new Date(Number.NaN), Object.create(null)])
    about(expireAt(of({ cookie: { expires } }), 'sid', 5000), 5000)
  const seen: unknown[] = []
  const session = of({})
  const ttl = (...given: unknown[]) => {
    seen.push(...given)
    return 7000
  }
  about(expireAt(session, 'sid', ttl), 7000)
  assert.equal(seen[0], session)
  assert.equal(seen[1], 'sid')
})

test('a `ttl` that gives no number is an error that says so', () => {
  for (const wrong of [undefined, '5', null, Number.NaN]) {
    const { code, message } = thrown(() => expireAt(of({}), 'sid', () => wrong as number))
    assert.equal(code, 'STORE_TTL')
    assert.equal(message, `The \`ttl\` function must return a number of seconds, got a ${typeof wrong}`)
  }
  const own = new Error('mine')
  assert.equal(
    thrown(() =>
      expireAt(of({}), 'sid', () => {
        throw own
      }),
    ),
    own,
  )
})

test('a session that was read has the expiry of its row, if its cookie has any', () => {
  const read = (expires: unknown, row: number) => {
    const session = withExpiryOfRow(of({ cookie: { expires } }), row) as any
    return session?.cookie.expires
  }
  assert.equal(read('1970-01-01T00:00:10.000Z', 4_000_000_000), '2096-10-02T07:06:40.000Z')
  assert.equal(read('no date', 4_000_000_000), '2096-10-02T07:06:40.000Z')
  for (const none of [undefined, null, false]) assert.equal(read(none, 4_000_000_000), none)
  assert.deepEqual(withExpiryOfRow(of({}), 5), {})
  assert.equal(read('1970-01-01T00:00:10.000Z', Number.POSITIVE_INFINITY), '1970-01-01T00:00:10.000Z')
})

test('within the last second of its row the milliseconds of the cookie decide', () => {
  const soon = new Date(Math.ceil(Date.now() / 1000) * 1000 + 5500)
  const session = of({ cookie: { expires: soon.toISOString() } })
  assert.equal(withExpiryOfRow(session, Math.ceil(soon.getTime() / 1000)), session)
  assert.equal(session.cookie.expires, soon.toISOString(), 'with its milliseconds')
  const past = new Date()
  assert.equal(
    atTime(past.getTime(), () =>
      withExpiryOfRow(of({ cookie: { expires: past.toISOString() } }), Math.ceil(past.getTime() / 1000)),
    ),
    null,
    'at the very millisecond',
  )
})

test('the text of a session with a `toJSON` of its own says its creation as well', () => {
  const seen: unknown[] = []
  const session = of({
    toJSON(key: string) {
      seen.push(key)
      return { shown: true }
    },
  })
  assert.equal(JSON.stringify(withCreation(session, 5)), '{"shown":true,"connect-postgres-simple:created":5}')
  assert.deepEqual(seen, [''])
  const copy = withCreation(of({ 'connect-postgres-simple:created': 9, toJSON: 5 }), 5)
  assert.equal(creationIn(copy), 5)
  delete (copy as any)['connect-postgres-simple:created']
  assert.equal(creationIn(copy), undefined, 'it may be taken out of the copy')
  const changed = withCreation(of({}), 5)
  Object.assign(changed, { 'connect-postgres-simple:created': 6 })
  assert.equal(creationIn(changed), 6, 'and be changed')
  assert.equal(
    creationIn(of({ 'connect-postgres-simple:created': Math.floor(Date.now() / 1000) })) !== undefined,
    true,
  )
})

test('by itself a process remembers the last 50,000 logouts at least, and forgets some behind the double', () => {
  const logouts = new Logouts()
  // Each is added when it begins and when it has ended.
  for (let i = 0; i < 50_000; i++) for (const _ of ['begins', 'ends']) logouts.add(`sid-${i}`)
  assert.ok(!logouts.since(0, 'nobody'), 'nothing is forgotten')
  for (let i = 0; i < 100_000; i++) logouts.add('again')
  assert.ok(!logouts.since(0, 'nobody'), 'still nothing')
  logouts.add('again')
  assert.ok(logouts.since(0, 'nobody'), 'now it could have been one of those forgotten')
})

test('what is said of a wrong user id, and of wrong options, names what it is', () => {
  const got = (userId: unknown) => thrown(() => checkUserId(userId)).message.replace(/^.*, got /, '')
  assert.deepEqual([null, '', Number.NaN, undefined, {}, true, Number.POSITIVE_INFINITY].map(got), [
    'null',
    'an empty string',
    'NaN',
    'undefined',
    'object',
    'boolean',
    'number',
  ])
  assert.match(thrown(() => checkDestroyOptions('hush')).message, /to be an object, got string$/)
  assert.match(thrown(() => checkDestroyOptions(undefined)).message, /to be an object, got undefined$/)
  assert.match(thrown(() => checkDestroyOptions({ keep: '2' })).message, /of at least 0, got a string$/)
  assert.deepEqual(checkDestroyOptions({}), { except: new Set(), keep: 0 })
})

test('an id may stand in a text as it is, or where anything is escaped', () => {
  assert.ok(mayHoldId('{"user":42}', '42'))
  assert.ok(mayHoldId('{"user":"\\u0034\\u0032"}', '42'))
  assert.ok(!mayHoldId('{"user":41}', '42'))
})

test('no row is of a user whose id stands in part of another, or where the path ends early', () => {
  const path = ['passport', 'user']
  assert.ok(!isOfUser('{"passport":{"user":421}}', path, '42'))
  assert.equal(isOfUser('no JSON', path, '42'), false)
  assert.equal(isOfUser('{"passport":"user"}', ['passport', 'length'], '4'), false)
})

test('a session that has expired is never one of those that are kept', () => {
  const options = checkDestroyOptions({ keep: 2 })
  assert.deepEqual(sidsToDestroy(['old', 'a', 'b', 'c'], new Set(['a', 'b', 'c']), options), ['old', 'c'])
})
