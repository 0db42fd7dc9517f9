// What nobody would write by hand: random options, addresses, names, sids, sessions and cookies. Each ends
// in what is right or in an error that says what is wrong. FUZZ_RUNS=10000 runs more of them, FUZZ_SEED
// others.

import assert from 'node:assert/strict'
import session, { type SessionData } from 'express-session'
import fc from 'fast-check'
import type { Options } from '../../src/options.ts'
import { database, tableSql } from '../support/database.ts'
import { promises } from '../support/promise.ts'
import { Store, sessionOf } from '../support/store.ts'

// In a zone that repeats an hour, a moment in it has two meanings.
const db = await database('fuzz', { timeZone: 'UTC' })
await db.sql.unsafe(tableSql)
const test = promises('fuzz')
const numRuns = Number(process.env['FUZZ_RUNS'] ?? 300)
const seed = Number(process.env['FUZZ_SEED'] ?? 4)
const limit = { seconds: Math.max(60, numRuns / 20) }

/** In the database, but for the names of a table. */
const store = new Store({ conString: db.url, pruneSessionInterval: false })
const anyText = fc.oneof(
  fc.string({ unit: 'binary' }),
  // Also what is no text: half of a character.
  fc
    .array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 20 })
    .map((units) => String.fromCharCode(...units)),
  fc.string({
    unit: fc.constantFrom('"', "'", '\\', '.', '$', ';', '\0', '\x01', ' ', 'ß', '–', '😀', '{', '}', ','),
  }),
)
const whatever = fc.anything({ withBigInt: true, withDate: true, withNullPrototype: true })

/** What it throws, if anything. */
function thrown(make: () => unknown): unknown {
  try {
    make()
    return undefined
  } catch (error) {
    return error
  }
}

test('any options are either accepted or a TypeError', () => {
  const keys = [
    'postgres conString conObject tableName schemaName ttl createTableIfMissing disableTouch touchInterval',
    'pruneSessionInterval pruneSessionRandomizedInterval errorLog serializer timeout max isolate onConflict pool',
  ].flatMap((line) => line.split(' '))
  const value = fc.oneof(whatever, fc.double(), fc.boolean(), fc.func(whatever), anyText)
  fc.assert(
    fc.property(
      fc.dictionary(fc.oneof(fc.constantFrom(...keys), anyText), value, { maxKeys: 3 }),
      (options) => {
        const error = thrown(() => new Store({ conString: db.url, ...options } as Options))
        if (error !== undefined) assert.ok(error instanceof TypeError, `${error}`)
      },
    ),
    { numRuns, seed },
  )
})

test('any connection string or object is either understood or a TypeError that does not give away the password', () => {
  const part = fc.oneof(
    anyText,
    fc.webFragments(),
    fc.constantFrom('', 'host', '127.0.0.1', '[::1]', '/tmp', '%', '%zz', ':', '@'),
  )
  const url = fc
    .tuple(fc.constantFrom('postgres://', 'postgresql://', 'socket:', '', 'http://'), part, part, part, part)
    .map(([scheme, user, host, name, query]) => `${scheme}${user}:s3cr3t-word@${host}/${name}?${query}`)
  const key = fc.constantFrom(
    'host',
    'port',
    'user',
    'password',
    'database',
    'ssl',
    'connectionString',
    'max',
    'options',
    'x',
  )
  const conObject = fc.dictionary(key, fc.oneof(whatever, anyText, url), { maxKeys: 4 })
  fc.assert(
    fc.property(fc.oneof(fc.record({ conString: url }), fc.record({ conObject })), (options) => {
      const error = thrown(() => new Store(options as Options))
      if (error === undefined) return
      assert.ok(error instanceof TypeError, `${error}`)
      assert.doesNotMatch(`${error.message}${error.stack}`, /s3cr3t-word/)
    }),
    { numRuns, seed },
  )
})

test(
  'a table of any name holds sessions, or the name is refused',
  async () => {
    const name = fc.oneof(anyText, fc.string({ unit: 'grapheme', minLength: 1, maxLength: 30 }))
    await fc.assert(
      fc.asyncProperty(name, fc.option(name, { nil: undefined }), async (tableName, schemaName) => {
        const options = {
          conString: db.url,
          tableName,
          ...(schemaName !== undefined && { schemaName }),
          pruneSessionInterval: false,
        } as const
        const refused = thrown(() => new Store(options))
        if (refused) {
          assert.ok(refused instanceof TypeError, `${refused}`)
          assert.ok(
            [tableName, schemaName].some(
              (text) => text === '' || text?.includes('\0') || text?.isWellFormed() === false,
            ),
          )
          return
        }
        if (schemaName !== undefined)
          await db.sql`create schema if not exists ${db.sql([schemaName] as never)}`.catch(() => {})
        const own = new Store(options)
        try {
          await own.createTable()
          await own.set('a', sessionOf({ in: tableName }))
          assert.equal(((await own.get('a')) as any).in, tableName)
          await own.clear()
        } catch (error: any) {
          // A schema that cannot be, such as pg_…
          assert.ok(
            schemaName !== undefined && error.name === 'StoreError' && /^(3F|42)/.test(error.code),
            `${error}`,
          )
        } finally {
          await own.close()
        }
      }),
      { numRuns: Math.ceil(numRuns / 3), seed },
    )
  },
  limit,
)

test(
  'any sids, many at once: each has its own session and no other, or is refused',
  async () => {
    await db.sql`delete from session`
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(anyText, { maxLength: 8 }), async (sids) => {
        const stored = await Promise.allSettled(sids.map((sid, n) => store.set(sid, sessionOf({ n }))))
        for (const [n, sid] of sids.entries()) {
          const outcome = stored[n] as PromiseSettledResult<void>
          const possible = sid !== '' && !sid.includes('\0') && sid.isWellFormed()
          assert.equal(outcome.status, possible ? 'fulfilled' : 'rejected')
          if (outcome.status === 'rejected') assert.equal(outcome.reason.code, 'STORE_SID')
        }
        const good = sids.filter((_, n) => stored[n]?.status === 'fulfilled')
        const found: any[] = await Promise.all(good.map((sid) => store.get(sid)))
        assert.deepEqual(
          found.map(({ n }) => n),
          good.map((sid) => sids.indexOf(sid)),
        )
        await Promise.all(good.map((sid) => store.destroy(sid)))
        const [left] = await db.sql`select count(*)::int as rows from session`
        assert.equal(left?.['rows'], 0)
      }),
      { numRuns, seed },
    )
  },
  limit,
)

test(
  'any data comes back as JSON has it',
  async () => {
    await fc.assert(
      fc.asyncProperty(fc.dictionary(anyText, fc.oneof(fc.jsonValue(), anyText)), async (data) => {
        const given = { ...data, cookie: sessionOf().cookie } as SessionData
        const text = JSON.stringify(given)
        await store.set('data', given)
        const [row] = await db.sql`select sess::text as text from session where sid = 'data'`
        assert.equal(row?.['text'], text)
        const found = (await store.get('data')) as SessionData
        assert.deepEqual({ ...found, cookie: 0 }, { ...JSON.parse(text), cookie: 0 })
      }),
      { numRuns, seed },
    )
  },
  limit,
)

test(
  'anything as a session is either stored or refused, and what is stored is a session again',
  async () => {
    await fc.assert(
      fc.asyncProperty(whatever, async (given) => {
        await store.destroy('anything')
        const refused: any = await store.set('anything', given as SessionData).then(
          () => undefined,
          (error) => error,
        )
        const found: any = await store.get('anything').catch((error) => error)
        if (refused) {
          assert.equal(refused.code, 'STORE_SESSION', `${refused}`)
          assert.equal(found, null)
        } else assert.equal(typeof found, 'object')
      }),
      { numRuns, seed },
    )
  },
  limit,
)

test(
  'any JSON in the row is a session that express-session can take up, or an error of get; the row stays',
  async () => {
    const cookie = fc.oneof(
      fc.jsonValue(),
      fc.record({ expires: fc.jsonValue(), originalMaxAge: fc.jsonValue() }, { requiredKeys: [] }),
    )
    const json = fc.oneof(
      fc.jsonValue(),
      fc.record({ cookie }),
      fc.record({ cookie, passport: fc.jsonValue() }),
    )
    await fc.assert(
      fc.asyncProperty(json, async (value) => {
        const text = JSON.stringify(value)
        await db.sql`delete from session`
        await db.sql`insert into session values ('json', ${text}::text::json, now() + interval '1 hour')`
        const found: any = await store.get('json').catch((error) => error)
        if (found instanceof Error) assert.equal((found as any).code, 'STORE_SESSION', `${found}`)
        else assert.ok(typeof found === 'object' && found !== null)
        const [row] = await db.sql`select sess::text as text from session`
        assert.equal(row?.['text'], text)
      }),
      { numRuns, seed },
    )
  },
  limit,
)

test(
  'a session with any cookie expires with it where it says when, and by ttl where it does not',
  async () => {
    const expires = fc.oneof(
      whatever,
      fc.date({ noInvalidDate: false }),
      fc.date().map(String),
      fc.integer(),
      fc.constantFrom('tomorrow', '', 0, null, undefined, 'Infinity', 8.64e15, -8.64e15),
    )
    await fc.assert(
      fc.asyncProperty(fc.record({ expires, originalMaxAge: whatever }), async (cookie) => {
        const given = { cookie } as unknown as SessionData
        const before = Date.now()
        const refused: any = await store.set('cookie', given).then(
          () => undefined,
          (error) => error,
        )
        if (refused) {
          assert.equal(refused.code, 'STORE_SESSION', `${refused}`)
          return
        }
        const [row] = await db.sql`
          select extract(epoch from expire::timestamptz)::float8 as expire from session where sid = 'cookie'`
        let said = Number.NaN
        // Not every thing can be made a Date of.
        if (cookie.expires) thrown(() => (said = new Date(cookie.expires as string).getTime()))
        const expected = Number.isNaN(said)
          ? before / 1000 + 86_400
          : Math.min(Math.max(said / 1000, 0), 8.64e12)
        assert.ok(Math.abs(row?.['expire'] - expected) <= 2, `${row?.['expire']} is not ${expected}`)
      }),
      { numRuns, seed },
    )
  },
  limit,
)

test('the session object of express-session and its cookie go there and back', async () => {
  const own = new Store({ conString: db.url, pruneSessionInterval: false })
  const maxAge = fc.oneof(fc.integer({ min: 2000, max: 2 ** 40 }), fc.constant(null))
  const cookie = fc.record(
    {
      maxAge,
      path: fc.webPath(),
      httpOnly: fc.boolean(),
      sameSite: fc.constantFrom('lax', 'strict', true),
      domain: fc.domain(),
    },
    { requiredKeys: ['maxAge'] },
  )
  await fc.assert(
    fc.asyncProperty(cookie, async (options) => {
      const made = new (session.Cookie as any)(options)
      await own.set('made', { cookie: made } as SessionData)
      const loaded = (await own.get('made')) as SessionData
      const request = { sessionID: 'made', sessionStore: own } as never
      const again = own.createSession(request, loaded).cookie
      const { expires: before, ...rest } = (made as any).toJSON()
      const { expires: after, ...same } = (again as any).toJSON()
      assert.deepEqual(same, rest)
      if (options.maxAge === null) assert.equal(after, before)
      else assert.ok(Math.abs(new Date(after).getTime() - new Date(before).getTime()) <= 1000)
    }),
    { numRuns, seed },
  )
  await own.close()
})

test('no connection is left behind', async () => {
  await store.close()
  await db.drop()
})
