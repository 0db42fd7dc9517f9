// The verbs, arranged and checked by raw SQL.

import assert from 'node:assert/strict'
import type { SessionData } from 'express-session'
import postgres from 'postgres'
import type { Options } from '../../src/options.ts'
import { database, tableSql } from '../support/database.ts'
import { failure } from '../support/failure.ts'
import { promises } from '../support/promise.ts'
import { endless, putRow, row, Store, sessionOf, withStore } from '../support/store.ts'

const db = await database('store')
await db.sql.unsafe(tableSql)
const test = promises('store')
const at = { conString: db.url }

test('get gives what the row holds, and null where there is none', () =>
  withStore(at, async (store) => {
    await putRow(db.sql, 'get-1', { user: 'ann', deep: { list: [1, null, 'é\u0000'] } })
    const session = (await store.get('get-1')) as any
    assert.equal(session.user, 'ann')
    assert.deepEqual(session.deep, { list: [1, null, 'é\u0000'] })
    assert.equal(await store.get('get-none'), null)
  }))

test('every get gives an object of its own, also when many ask at once', () =>
  withStore(at, async (store) => {
    await putRow(db.sql, 'own', { n: 1 })
    const sessions = (await Promise.all(Array.from({ length: 20 }, () => store.get('own')))) as any[]
    for (const session of sessions) session.n++
    assert.deepEqual(new Set(sessions.map((session) => session.n)), new Set([2]))
  }))

test('set stores the text of the session as it is, and its expiry to the second', () =>
  withStore(at, async (store) => {
    const session = sessionOf({ z: 1, a: '"\\{}\u0000\ud800', 10: true })
    await store.set('set-1', session)
    const stored = await row(db.sql, 'set-1')
    assert.equal(stored.text, JSON.stringify(session))
    const [{ expire }] = (await db.sql`
      select extract(epoch from expire::timestamptz)::int as expire from session where sid = 'set-1'`) as any
    assert.equal(expire, Math.ceil(Number(session.cookie.expires) / 1000))
    assert.equal(((await store.get('set-1')) as any).a, '"\\{}\u0000\ud800')
  }))

test('set overwrites what is there', () =>
  withStore(at, async (store) => {
    await putRow(db.sql, 'set-2', { old: true }, 5)
    await store.set('set-2', sessionOf({ old: false }, 600))
    const stored = await row(db.sql, 'set-2')
    assert.equal(stored.old, false)
    assert.ok(stored.inSeconds > 500)
  }))

test('a cookie without an expiry, or with an invalid one, lives for ttl', async () => {
  const invalid = sessionOf()
  invalid.cookie.expires = new Date('never')
  const byUser = (session: any, sid: string) => (session.vip ? 5000 : sid.length)
  for (const [ttl, session, expected] of [
    [100, endless(), 100],
    [100, invalid, 100],
    [undefined, endless(), 86_400],
    [byUser, endless({ vip: true }), 5000],
    [byUser, endless(), 'ttl-1'.length],
    [100, { cookie: undefined } as unknown as SessionData, 100],
  ] as const) {
    await withStore({ ...at, ...(ttl !== undefined && { ttl }) }, async (store) => {
      await store.set('ttl-1', session)
      const { inSeconds } = await row(db.sql, 'ttl-1')
      assert.ok(Math.abs(inSeconds - expected) <= 2, `${inSeconds} instead of ${expected}`)
    })
  }
})

test('ttl 0 is a value: the session is stored and has ended', () =>
  withStore({ ...at, ttl: 0 }, async (store) => {
    await store.set('ttl-0', endless())
    await db.sql`update session set expire = expire - interval '1 second' where sid = 'ttl-0'`
    assert.ok(await row(db.sql, 'ttl-0'))
    assert.equal(await store.get('ttl-0'), null)
  }))

test('ttl does not shorten a session whose cookie has an expiry', () =>
  withStore({ ...at, ttl: 1 }, async (store) => {
    await store.set('ttl-2', sessionOf({}, 3600))
    assert.ok((await row(db.sql, 'ttl-2')).inSeconds > 3500)
  }))

test('an error of the ttl function, or a result that is no number, is given to the caller and stores nothing', async () => {
  const thrown = (): number => {
    throw new Error('mine')
  }
  await withStore({ ...at, ttl: thrown }, async (store) => {
    assert.equal((await failure(store.set('ttl-3', endless()))).message, 'mine')
  })
  await withStore({ ...at, ttl: () => 'x' as unknown as number }, async (store) => {
    assert.equal((await failure(store.set('ttl-3', endless()))).code, 'STORE_TTL')
  })
  assert.equal(await row(db.sql, 'ttl-3'), undefined)
})

test('an expiry beyond what a date can hold is the last that one can', () =>
  withStore({ ...at, ttl: () => Number.POSITIVE_INFINITY }, async (store) => {
    await store.set('ttl-4', endless({ n: 1 }))
    assert.equal(((await store.get('ttl-4')) as any).n, 1)
  }))

test('touch moves the expiry and leaves the text', () =>
  withStore(at, async (store) => {
    await putRow(db.sql, 'touch-1', { n: 1 }, 60)
    const before = await row(db.sql, 'touch-1')
    await store.touch('touch-1', sessionOf({ n: 2 }, 3600))
    const after = await row(db.sql, 'touch-1')
    assert.equal(after.text, before.text)
    assert.ok(after.inSeconds > 3500)
  }))

test('touch of a missing row is a success and makes none', () =>
  withStore(at, async (store) => {
    await store.touch('touch-none', sessionOf())
    assert.equal(await row(db.sql, 'touch-none'), undefined)
  }))

test('after a touch, get gives the new expiry, so that a save does not rewind it', () =>
  withStore(at, async (store) => {
    await putRow(db.sql, 'rewind', {}, 60)
    await store.touch('rewind', sessionOf({}, 3600))
    const session = (await store.get('rewind')) as SessionData
    assert.ok(new Date(session.cookie.expires as Date).getTime() > Date.now() + 3_500_000)
    await store.set('rewind', session)
    assert.ok((await row(db.sql, 'rewind')).inSeconds > 3500)
  }))

test('get leaves a cookie alone that has no expiry, and survives an infinite one in the row', () =>
  withStore(at, async (store) => {
    await store.set('endless', endless())
    assert.equal((await store.get('endless'))?.cookie.expires, null)
    await putRow(db.sql, 'infinite', { n: 1 })
    await db.sql`update session set expire = 'infinity' where sid = 'infinite'`
    assert.equal(((await store.get('infinite')) as any).n, 1)
    await db.sql`delete from session where sid = 'infinite'`
  }))

test('disableTouch sends nothing', () =>
  withStore({ ...at, disableTouch: true }, async (store) => {
    await putRow(db.sql, 'touch-off', {}, 60)
    await store.touch('touch-off', sessionOf({}, 3600))
    assert.ok((await row(db.sql, 'touch-off')).inSeconds < 61)
  }))

test('a touch does not wait for the disk, a save does', async () => {
  await db.sql.unsafe(`
    create table witnessed (like session including all);
    create table waits (sid text, setting text);
    create function witness() returns trigger language plpgsql as $$ begin
      insert into waits values (new.sid, current_setting('synchronous_commit')); return new;
    end $$;
    create trigger witness before update on witnessed for each row execute function witness()`)
  // One connection for both kinds, so that what a touch sets would be seen by the save if it stayed.
  const own = postgres(db.url, { max: 1 })
  await withStore({ postgres: own, isolate: false, tableName: 'witnessed' }, async (store) => {
    await store.set('w', sessionOf({}, 600))
    const loaded = (await store.get('w')) as SessionData
    await store.touch('w', Object.assign(loaded, sessionOf({}, 700)))
    await store.set('w', Object.assign(loaded, sessionOf({}, 800)))
  })
  await own.end()
  assert.deepEqual([...(await db.sql`select setting from waits`)], [{ setting: 'off' }, { setting: 'on' }])
})

test('a touch writes nothing into a row that has the expiry, and a save that keeps it spares the indexes', async () => {
  await db.sql`create table kept (like session including all)`
  await withStore({ ...at, tableName: 'kept' }, async (store) => {
    const session = sessionOf({ n: 0 }, 600)
    await store.set('k', session)
    const before = await db.sql`select xmin::text, ctid::text from kept`
    await store.touch('k', session)
    assert.deepEqual([...(await db.sql`select xmin::text, ctid::text from kept`)], [...before])
    await store.set('k', session)
    const hot = async () =>
      Number(
        (await db.sql`select n_tup_hot_upd as hot from pg_stat_user_tables where relname = 'kept'`)[0]?.[
          'hot'
        ],
      )
    // The server counts with a delay.
    while ((await hot()) < 1) await new Promise((resume) => setTimeout(resume, 50))
  })
})

test('touchInterval keeps back a touch of a loaded session that would move the expiry by less, and no other', () =>
  withStore({ ...at, touchInterval: 100 }, async (store) => {
    await putRow(db.sql, 'interval', {}, 600)
    const loaded = (await store.get('interval')) as SessionData
    await store.touch('interval', Object.assign(loaded, sessionOf({}, 650)))
    assert.ok((await row(db.sql, 'interval')).inSeconds < 610)
    await store.touch('interval', Object.assign(loaded, sessionOf({}, 750)))
    assert.ok((await row(db.sql, 'interval')).inSeconds > 700)
    await store.touch('interval', Object.assign(loaded, sessionOf({}, 800)))
    assert.ok((await row(db.sql, 'interval')).inSeconds < 760, 'counts from the touch before')
    await store.touch('interval', sessionOf({}, 740))
    assert.ok((await row(db.sql, 'interval')).inSeconds < 745, 'nothing is known of a session not loaded')
  }))

test('touchInterval is at most a tenth of what a session has left, so that none in use ends', () =>
  withStore({ ...at, touchInterval: 3600 }, async (store) => {
    await putRow(db.sql, 'short', {}, 60)
    const loaded = (await store.get('short')) as SessionData
    await store.touch('short', Object.assign(loaded, sessionOf({}, 64)))
    assert.ok((await row(db.sql, 'short')).inSeconds < 62, 'kept back')
    await store.touch('short', Object.assign(loaded, sessionOf({}, 75)))
    assert.ok((await row(db.sql, 'short')).inSeconds > 65, 'sent')
  }))

test('by default a touch that gains less than a hundredth of the lifetime, or a minute, is not sent, and 0 sends all', async () => {
  const inSeconds = async (sid: string) => Math.round((await row(db.sql, sid)).inSeconds)
  /** Touches a session of so many seconds so that it gains so many. */
  const gains = (options: Options, lifetime: number, gain: number) =>
    withStore({ ...at, ...options }, async (store) => {
      await db.sql`delete from session where sid = 'default'`
      await putRow(db.sql, 'default', {}, lifetime - gain)
      const loaded = (await store.get('default')) as SessionData
      await store.touch('default', Object.assign(loaded, sessionOf({}, lifetime)))
      return (await inSeconds('default')) - (lifetime - gain) >= gain - 2
    })
  assert.equal(await gains({}, 1000, 8), false, 'less than a hundredth')
  assert.equal(await gains({}, 1000, 12), true, 'more than a hundredth')
  assert.equal(await gains({}, 86_400, 57), false, 'less than a minute')
  assert.equal(await gains({}, 86_400, 63), true, 'more than a minute')
  assert.equal(await gains({ touchInterval: 0 }, 86_400, 5), true, 'all')
})

test('of the touches of a user who asks eleven times every 20 seconds the default sends one a minute', () =>
  withStore(at, async (store) => {
    await putRow(db.sql, 'realistic', {}, 86_400)
    const start = Date.now()
    const { now } = Date
    let sent = 0
    let asked = 0
    try {
      for (let second = 0; second < 1200; second += 20) {
        // The wall clock of this process alone: nothing here waits for the server's.
        Date.now = () => start + second * 1000
        for (let request = 0; request < 11; request++) {
          const before = store.stats().batches
          const loaded = (await store.get('realistic')) as SessionData
          await store.touch('realistic', Object.assign(loaded, sessionOf({}, 86_400)))
          sent += store.stats().batches - before - 1
          asked++
        }
      }
    } finally {
      Date.now = now
    }
    assert.equal(asked, 660)
    // One a minute, of the 19 minutes after the first, which the row already had.
    assert.equal(sent, 19)
  }))

test('a touch that shortens a session is sent, whatever touchInterval is', () =>
  withStore({ ...at, touchInterval: 100 }, async (store) => {
    await putRow(db.sql, 'shortened', {}, 1000)
    const loaded = (await store.get('shortened')) as SessionData
    await store.touch('shortened', Object.assign(loaded, sessionOf({}, 950)))
    assert.ok((await row(db.sql, 'shortened')).inSeconds < 952)
  }))

test('destroy deletes the row, and is a success where there is none', () =>
  withStore(at, async (store) => {
    await putRow(db.sql, 'destroy-1', {})
    await store.destroy('destroy-1')
    assert.equal(await row(db.sql, 'destroy-1'), undefined)
    await store.destroy('destroy-1')
  }))

test('an expired row is gone for get, all, length, ids, entries and touch', async () => {
  const own = await database('store_expired')
  try {
    await own.sql.unsafe(tableSql)
    await putRow(own.sql, 'dead', {}, -2)
    await putRow(own.sql, 'live', { n: 1 }, 600)
    await withStore({ conString: own.url }, async (store) => {
      assert.equal(await store.get('dead'), null)
      assert.deepEqual(await store.ids(), ['live'])
      assert.equal(await store.length(), 1)
      assert.deepEqual(
        ((await store.all()) as any[]).map((session) => session.n),
        [1],
      )
      const seen = []
      for await (const { sid } of store.entries()) seen.push(sid)
      assert.deepEqual(seen, ['live'])
      await store.touch('dead', sessionOf({}, 600))
      assert.ok((await row(own.sql, 'dead')).inSeconds < 0)
    })
  } finally {
    await own.drop()
  }
})

test('entries goes through all pages, gives sid, session and expiry, and what it gives counts as loaded', async () => {
  const own = await database('store_entries')
  try {
    await own.sql.unsafe(tableSql)
    await own.sql`
      insert into session select 's' || n, json_build_object('n', n), now() + interval '1 hour' from generate_series(1, 501) n`
    await withStore({ conString: own.url }, async (store) => {
      const numbers = new Set()
      for await (const { sid, session, expires } of store.entries()) {
        assert.equal(sid, `s${(session as any).n}`)
        assert.ok(Math.abs(expires.getTime() - Date.now() - 3_600_000) < 60_000)
        numbers.add((session as any).n)
      }
      assert.equal(numbers.size, 501)
      assert.equal((await store.all()).length, 501)
      assert.equal((await store.ids()).length, 501)
      for await (const { sid, session } of store.entries()) {
        await store.destroy(sid)
        await store.set(sid, session)
        break
      }
      assert.equal(await store.length(), 500)
      await store.clear()
      assert.equal(await store.length(), 0)
    })
  } finally {
    await own.drop()
  }
})

test('clear deletes all rows: those written before it is called, and none written after', () =>
  withStore({ ...at, schemaName: 'cleared', createTableIfMissing: true }, async (store) => {
    await db.sql`create schema cleared`
    void store.set('before', sessionOf())
    const first = store.clear()
    void store.set('between', sessionOf())
    const second = store.clear()
    void store.set('after', sessionOf())
    await Promise.all([first, second])
    assert.deepEqual(await store.ids(), ['after'])
    assert.deepEqual([...(await db.sql`select sid from cleared.session`.values())], [['after']])
  }))

test('operations on one sid take effect in the order they are issued, without waiting', () =>
  withStore(at, async (store) => {
    const results: unknown[] = []
    const done = [
      store.set('order', sessionOf({ n: 1 })),
      store.get('order').then((session: any) => results.push(session?.n)),
      store.set('order', sessionOf({ n: 2 })),
      store.get('order').then((session: any) => results.push(session?.n)),
      store.destroy('order'),
      store.get('order').then((session: any) => results.push(session)),
      store.set('order', sessionOf({ n: 3 })),
      store.touch('order', sessionOf({}, 3600)),
    ]
    await Promise.all(done)
    assert.deepEqual(results, [1, 2, null])
    const stored = await row(db.sql, 'order')
    assert.equal(stored.n, 3)
    assert.ok(stored.inSeconds > 3500)
  }))

test('a set whose serializer is slow keeps its place before a destroy', () => {
  const serializer = {
    async stringify(session: SessionData) {
      await new Promise((resume) => setTimeout(resume, 50))
      return JSON.stringify(session)
    },
    parse: async (text: string) => JSON.parse(text) as SessionData,
  }
  return withStore({ ...at, serializer }, async (store) => {
    await Promise.all([store.set('slow', sessionOf()), store.destroy('slow')])
    assert.equal(await row(db.sql, 'slow'), undefined)
    await store.set('slow', sessionOf({ n: 1 }))
    assert.equal(((await store.get('slow')) as any).n, 1)
  })
})

test('a session of 5 MB comes back whole', () =>
  withStore(at, async (store) => {
    const big = 'é"\\'.repeat(1_250_000)
    await store.set('big', sessionOf({ big }))
    assert.equal(((await store.get('big')) as any).big, big)
  }))

test('a row whose JSON was encoded twice is read like any other', () =>
  withStore(at, async (store) => {
    const text = JSON.stringify(JSON.stringify(sessionOf({ n: 1 })))
    await db.sql`insert into session values ('twice', ${text}::text::json, now() + interval '1 hour')`
    assert.equal(((await store.get('twice')) as any).n, 1)
  }))

test('a row that holds no session is an error of get, and stays', () =>
  withStore(at, async (store) => {
    await db.sql`insert into session values ('five', '5', now() + interval '1 hour'), ('half', '"{"', now() + interval '1 hour')`
    assert.equal((await failure(store.get('five'))).code, 'STORE_SESSION')
    assert.equal((await failure(store.get('half'))).code, 'STORE_SESSION')
    assert.equal((await db.sql`select from session where sid in ('five', 'half')`).length, 2)
    await db.sql`delete from session where sid in ('five', 'half')`
  }))

test('a session that cannot be serialised is an error, and the row stays as it was', () =>
  withStore(at, async (store) => {
    await putRow(db.sql, 'unserializable', { n: 1 })
    const circular: any = sessionOf()
    circular.self = circular
    const bad = [
      circular,
      sessionOf({ n: 1n }),
      undefined,
      null,
      () => {},
      'text',
      { ...sessionOf(), toJSON: () => undefined },
      { ...sessionOf(), toJSON: () => Promise.reject(new Error('no')) },
    ]
    for (const session of bad.slice(0, 7)) {
      assert.equal((await failure(store.set('unserializable', session as SessionData))).code, 'STORE_SESSION')
    }
    assert.equal((await row(db.sql, 'unserializable')).n, 1)
  }))

test('no character of a sid or a session parts it from what travels with it', () =>
  withStore(at, async (store) => {
    const odd = ['\x01', '\x02', '\x01\x02\x03', '{"a","b"}', '\\"', '\x7f\n\t', 'a,b', 'NULL', '😀']
    const all = odd.flatMap((a) => odd.map((b) => ({ sid: `odd-${a}-${b}`, text: b + a + b })))
    await Promise.all(all.map(({ sid, text }) => store.set(sid, sessionOf({ text }))))
    const rows = await db.sql`select sid, sess->>'text' as text from session where sid like 'odd-%'`
    assert.deepEqual(
      new Map(rows.map((each) => [each['sid'], each['text']])),
      new Map(all.map(({ sid, text }) => [sid, text])),
    )
    const read = (await Promise.all(all.map(({ sid }) => store.get(sid)))) as any[]
    assert.deepEqual(
      read.map(({ text }) => text),
      all.map(({ text }) => text),
    )
    await Promise.all(all.map(({ sid }) => store.destroy(sid)))
    assert.equal((await db.sql`select from session where sid like 'odd-%'`).length, 0)
  }))

test('a serializer that gives no JSON, no string or a broken one fails only its own set', async () => {
  const given: Record<string, unknown> = {
    invalid: '{"a":',
    empty: '',
    several: '{}, {"user":"somebody else"}',
    number: 5,
    late: Promise.resolve(5),
    rejected: Promise.reject(new Error('secret')),
    lone: '{"a":"\ud800"}',
    nul: '{"a":"\0"}',
  }
  const serializer = {
    stringify: (session: any) => (given[session.kind] as string) ?? JSON.stringify(session),
    parse: (text: string) => JSON.parse(text),
  }
  await withStore({ ...at, serializer }, async (store) => {
    const good = Array.from({ length: 10 }, (_, i) => store.set(`good-${i}`, sessionOf({ i })))
    const bad = await Promise.all(
      Object.keys(given).map((kind) => failure(store.set(`bad-${kind}`, sessionOf({ kind })))),
    )
    await Promise.all(good)
    assert.deepEqual(
      bad.map((error) => error.code),
      [
        '22P02',
        'STORE_SESSION',
        '22P02',
        'STORE_SESSION',
        'STORE_SESSION',
        'STORE_SESSION',
        'STORE_SESSION',
        '22021',
      ],
    )
    for (let i = 0; i < 10; i++) assert.equal((await row(db.sql, `good-${i}`)).i, i)
    assert.equal((await db.sql`select from session where sid like 'bad-%'`).length, 0)
  })
})

test('a sid that no row can have is an error of every verb, and nothing is sent', () =>
  withStore({ conString: 'postgres://nobody@127.0.0.1:1/none' }, async (store) => {
    for (const sid of ['', 'a\0b', '\ud800', 5, undefined, null, {}, ['a']] as string[]) {
      const operations = [
        store.get(sid),
        store.set(sid, sessionOf()),
        store.touch(sid, sessionOf()),
        store.destroy(sid),
      ]
      const errors = await Promise.all(operations.map(failure))
      assert.deepEqual(
        errors.map((error) => error.code),
        Array(4).fill('STORE_SID'),
      )
    }
  }))

test('a sid too long for the index fails alone, and other strange ones work', () =>
  withStore(at, async (store) => {
    const strange = [
      '{"a"}',
      "'; drop table session; --",
      '\\',
      '"',
      'null',
      'NULL',
      ',',
      ' ',
      'é€😀',
      '$1',
      '%',
      '\n\t',
    ]
    const long = Array.from({ length: 9000 }, () => Math.random().toString(36)[2]).join('')
    const [tooLong] = await Promise.all([
      failure(store.set(long, sessionOf())),
      ...strange.map((sid) => store.set(sid, sessionOf({ sid }))),
    ])
    assert.equal(tooLong.code, '54000')
    const sessions = await Promise.all(strange.map((sid) => store.get(sid)))
    assert.deepEqual(
      sessions.map((session: any) => session.sid),
      strange,
    )
    for (const sid of strange) assert.equal((await row(db.sql, sid)).sid, sid)
  }))

test('a store in a `using` block is closed at its end', async () => {
  const store = new Store({ ...at, pruneSessionInterval: false })
  await store.length()
  await store[Symbol.asyncDispose]()
  assert.equal((await failure(store.length())).code, 'STORE_CLOSED')
})

test('no connection is left behind', () => db.drop())
