// `maxLifetime`: a session ends so many seconds after its creation, whatever comes.

import assert from 'node:assert/strict'
import type { SessionData } from 'express-session'
import { browser, serve, versions } from '../support/app.ts'
import { database, tableSql } from '../support/database.ts'
import { failure } from '../support/failure.ts'
import { incumbent } from '../support/incumbent.ts'
import { promises } from '../support/promise.ts'
import { endless, putRow, row, sessionOf, withStore } from '../support/store.ts'

const db = await database('lifetime')
await db.sql.unsafe(tableSql)
const test = promises('lifetime')
const at = { conString: db.url, maxLifetime: 3600 }
const CREATED = 'connect-postgres-simple:created'
const seconds = () => Math.floor(Date.now() / 1000)

/** Moves the wall clock of this process forward while `use` runs. */
async function later<T>(bySeconds: number, use: () => Promise<T>): Promise<T> {
  const { now } = Date
  Date.now = () => now() + bySeconds * 1000
  try {
    return await use()
  } finally {
    Date.now = now
  }
}

/** A row whose session was created so many seconds ago, and that expires in so many. */
async function putOld(sid: string, ago: number, inSeconds = 86_400, data: object = {}): Promise<void> {
  await db.sql`delete from session where sid = ${sid}`
  await putRow(db.sql, sid, { ...data, [CREATED]: seconds() - ago }, inSeconds)
}

/** What is confused with it is much further away, and a slow machine takes some seconds. */
const near = (actual: number, expected: number, what?: string) =>
  assert.ok(Math.abs(actual - expected) <= 8, `${what ?? ''}: ${actual} instead of about ${expected}`)

test('the creation stands in the text of the row, last, and the app does not see it', () =>
  withStore(at, async (store) => {
    await store.set('new', sessionOf({ user: 'ann' }))
    const { text, [CREATED]: created } = await row(db.sql, 'new')
    near(created, seconds())
    assert.ok(text.endsWith(`,"${CREATED}":${created}}`), text)
    const loaded = (await store.get('new')) as object
    assert.deepEqual(Object.keys(loaded), ['cookie', 'user'])
    for (const each of await store.all()) assert.ok(!(CREATED in each))
    for await (const { session: each } of store.entries()) assert.ok(!(CREATED in each))
  }))

test('without the option the text of the row is what it was, and the key is data like any other', () =>
  withStore({ conString: db.url }, async (store) => {
    const plain = sessionOf({ user: 'ann' })
    await store.set('plain', plain)
    assert.equal((await row(db.sql, 'plain')).text, JSON.stringify(plain))
    await putOld('kept', 50)
    const { text } = await row(db.sql, 'kept')
    const kept = (await store.get('kept')) as SessionData
    await store.set('kept', { ...kept, cookie: JSON.parse(text).cookie })
    assert.equal((await row(db.sql, 'kept')).text, text)
  }))

test('the row never expires later than the end, by set, touch, save of a loaded session and of a copy', () =>
  withStore(at, async (store) => {
    for (const make of [() => sessionOf({}, 86_400), () => endless()]) {
      await store.set('bound', make())
      near((await row(db.sql, 'bound')).inSeconds, 3600, 'set')
      await putOld('bound', 3000)
      const loaded = (await store.get('bound')) as SessionData
      Object.assign(loaded, make(), { n: 1 })
      await store.touch('bound', loaded)
      near((await row(db.sql, 'bound')).inSeconds, 600, 'touch')
      await store.set('bound', loaded)
      near((await row(db.sql, 'bound')).inSeconds, 600, 'save')
      for (const copy of [{ ...loaded }, { ...make(), [CREATED]: seconds() + 5 }, make()]) {
        await store.touch('bound', copy)
        near((await row(db.sql, 'bound')).inSeconds, 600, 'touch of a copy')
        await store.set('bound', copy)
        const { inSeconds, [CREATED]: created } = await row(db.sql, 'bound')
        near(inSeconds, 600, 'save of a copy')
        near(created, seconds() - 3000, 'creation after the save of a copy')
      }
      await store.destroy('bound')
    }
  }))

test('a session that touches and saves keep alive ends all the same, and its row is gone for every verb', () =>
  withStore({ ...at, ttl: 1000 }, async (store) => {
    await db.sql`truncate session`
    await store.set('active', endless())
    for (let ago = 0; ago < 3600; ago += 500) {
      await later(ago, async () => {
        const loaded = (await store.get('active')) as SessionData
        assert.ok(loaded, `after ${ago} seconds`)
        await store.touch('active', loaded)
        await store.set('active', Object.assign(loaded, { ago }))
        await store.set('active', { ...loaded })
      })
    }
    await later(3602, async () => {
      assert.equal(await store.get('active'), null)
      assert.deepEqual([await store.ids(), await store.length(), await store.all()], [[], 0, []])
      assert.equal(await store.pruneSessions(), 1)
    })
  }))

test('past the end `get`, `all` and `entries` give nothing, whatever expiry another store gave the row', () =>
  withStore(at, async (store) => {
    await db.sql`truncate session`
    await putOld('ended', 3601)
    await putOld('alive', 3500)
    assert.equal(await store.get('ended'), null)
    assert.equal((await store.all()).length, 1)
    const found = []
    for await (const entry of store.entries()) found.push(entry)
    assert.deepEqual(
      found.map(({ sid }) => sid),
      ['alive'],
    )
    near((found[0]?.expires.getTime() as number) / 1000, seconds() + 100)
    const { cookie } = (await store.get('alive')) as any
    near(Date.parse(cookie.expires) / 1000, seconds() + 100, 'the cookie')
  }))

test('the milliseconds of a cookie decide only before the end', () =>
  withStore({ ...at, maxLifetime: 2 }, async (store) => {
    const created = seconds()
    await store.set('exact', sessionOf({}, 1.3))
    const end = (await row(db.sql, 'exact'))[CREATED] + 2
    assert.ok(end <= created + 3)
    while (await store.get('exact')) await new Promise((resume) => setTimeout(resume, 10))
    assert.ok(Date.now() <= end * 1000 + 500)
    assert.ok((await row(db.sql, 'exact')).inSeconds <= end - Date.now() / 1000 + 0.1)
  }))

test('what the app writes under the key is not stored, and does not prolong', () =>
  withStore(at, async (store) => {
    await putOld('forged', 3000)
    const loaded = (await store.get('forged')) as SessionData
    await store.set('forged', Object.assign(loaded, { [CREATED]: seconds() }))
    near((await row(db.sql, 'forged'))[CREATED], seconds() - 3000)
    await store.set('forged', Object.assign(sessionOf({}, 9000), { [CREATED]: seconds() }))
    near((await row(db.sql, 'forged'))[CREATED], seconds() - 3000)
    await store.set('fresh', Object.assign(sessionOf(), { [CREATED]: 5 }))
    near((await row(db.sql, 'fresh'))[CREATED], seconds())
  }))

test('a Session that the app makes of a plain object takes over the creation of its row, for every save', async () => {
  for (const onConflict of ['overwrite', 'merge', 'error'] as const) {
    await withStore({ ...at, onConflict }, async (store) => {
      await putOld('made', 3000)
      const made = store.createSession({ sessionID: 'made' } as any, sessionOf({}, 86_400))
      for (const n of [1, 2]) {
        await store.set('made', Object.assign(made, { n }))
        const stored = await row(db.sql, 'made')
        assert.equal(stored.n, n)
        near(stored[CREATED], seconds() - 3000, `save ${n} with ${onConflict}`)
        near(stored.inSeconds, 600)
      }
    })
  }
})

test('as long as a row is there its creation counts, also when it has expired: then it stays dead', () =>
  withStore(at, async (store) => {
    for (const inSeconds of [-10, 600]) {
      await putOld('over', 4000, inSeconds)
      await store.set('over', sessionOf({ again: 1 }))
      assert.equal(await store.get('over'), null)
    }
    await putOld('idle', 1000, -10)
    await store.set('idle', sessionOf({}, 86_400))
    near((await row(db.sql, 'idle')).inSeconds, 2600)
    await store.destroy('over')
    await store.set('over', sessionOf({}, 86_400))
    near((await row(db.sql, 'over')).inSeconds, 3600)
  }))

test('a row that holds what cannot be read is overwritten by a new session, which begins anew', () =>
  withStore(at, async (store) => {
    for (const text of ['null', '7', '[]', '"no json"', '{}']) {
      await db.sql.unsafe(`insert into session values ('odd', '${text}', now() + interval '1 hour')
        on conflict (sid) do update set sess = excluded.sess`)
      await store.set('odd', sessionOf({ text }))
      const stored = await row(db.sql, 'odd')
      assert.equal(stored.text && stored['text'] !== undefined && (await store.get('odd')) !== null, true)
      near(stored[CREATED], seconds())
    }
  }))

test('what is no session is stored as it is, with the option as without', () =>
  withStore(at, async (store) => {
    await store.set('array', [1] as unknown as SessionData)
    assert.equal((await row(db.sql, 'array')).text, '[1]')
    await store.set('array', [2] as unknown as SessionData)
    assert.equal((await row(db.sql, 'array')).text, '[2]', 'over a row')
    for (const none of [null, 'text', undefined] as unknown[]) {
      assert.equal((await failure(store.set('array', none as SessionData))).code, 'STORE_SESSION')
    }
  }))

test('a creation that cannot be, as in the time to come, counts as none', () =>
  withStore(at, async (store) => {
    for (const created of [seconds() + 1000, 'yesterday', null, {}]) {
      await db.sql`delete from session where sid = 'strange'`
      await putRow(db.sql, 'strange', { [CREATED]: created }, 86_400)
      const loaded = (await store.get('strange')) as SessionData
      assert.ok(loaded && !(CREATED in loaded))
      await store.touch('strange', loaded)
      near((await row(db.sql, 'strange'))[CREATED], seconds())
    }
  }))

test('a session of before counts from the first load, if it is only touched ever after', () =>
  withStore(at, async (store) => {
    for (const options of [{}, { touchInterval: 60 }, { disableTouch: true }]) {
      await withStore({ ...at, ...options }, async (touching) => {
        await db.sql`delete from session where sid = 'before'`
        await putRow(db.sql, 'before', { user: 'ann', n: [1, { two: null }] }, 86_400)
        const before = await row(db.sql, 'before')
        const loaded = (await touching.get('before')) as SessionData
        await touching.touch('before', loaded)
        const after = await row(db.sql, 'before')
        near(after[CREATED], seconds())
        near(after.inSeconds, 3600)
        const { [CREATED]: created, text } = after
        assert.equal(text, before.text.replace(/\}$/, `,"${CREATED}":${created}}`), 'nothing else changes')
        await later(3000, async () => {
          const again = (await touching.get('before')) as SessionData
          await touching.touch('before', again)
          assert.equal((await row(db.sql, 'before')).text, text)
        })
        await later(3602, async () => assert.equal(await touching.get('before'), null))
      })
    }
    await putRow(db.sql, 'before-saved', {}, 86_400)
    const loaded = (await store.get('before-saved')) as SessionData
    await later(100, () => store.set('before-saved', Object.assign(loaded, { n: 1 })))
    near((await row(db.sql, 'before-saved'))[CREATED], seconds(), 'from the load, not the save')
  }))

test('of two requests that load a session of before, the first load counts, whoever saves or touches last', () =>
  withStore(at, async (store) => {
    for (const [first, second] of [
      ['set', 'set'],
      ['touch', 'set'],
      ['set', 'touch'],
      ['touch', 'touch'],
    ] as const) {
      await db.sql`delete from session where sid = 'both'`
      await putRow(db.sql, 'both', {}, 86_400)
      const early = (await later(-50, () => store.get('both'))) as SessionData
      const late = (await store.get('both')) as SessionData
      await store[first]('both', early)
      await store[second]('both', late)
      near((await row(db.sql, 'both'))[CREATED], seconds() - 50, `${first}, then ${second}`)
      await store.set('both', Object.assign(late, { n: 1 }))
      near((await row(db.sql, 'both'))[CREATED], seconds() - 50, 'and at the next save')
    }
  }))

test('a touch of a session of before stores nothing that the app has changed', () =>
  withStore(at, async (store) => {
    await putRow(db.sql, 'changed', { n: 1 }, 600)
    const loaded = (await store.get('changed')) as SessionData
    await db.sql`update session set sess = jsonb_set(sess::jsonb, '{m}', '2')::json where sid = 'changed'`
    await store.touch('changed', Object.assign(loaded, { n: 99 }))
    const stored = await row(db.sql, 'changed')
    assert.deepEqual([stored.n, stored.m], [1, 2])
    near(stored[CREATED], seconds())
    await store.destroy('changed')
    await store.touch('changed', loaded)
    assert.equal(await row(db.sql, 'changed'), undefined, 'a touch stores no row')
  }))

test('beside connect-pg-simple: its saves keep the creation, its touches are of no use past the end', async () => {
  const beside = incumbent(db.url)
  try {
    await withStore(at, async (store) => {
      await putOld('shared', 3000)
      const theirs = await beside.get('shared')
      await beside.set('shared', { ...theirs, cookie: sessionOf({}, 86_400).cookie, n: 1 })
      const loaded = (await store.get('shared')) as any
      assert.equal(loaded.n, 1)
      near(Date.parse(loaded.cookie.expires) / 1000, seconds() + 600)
      await beside.touch('shared', sessionOf({}, 86_400))
      assert.ok(await store.get('shared'))
      await later(602, async () => assert.equal(await store.get('shared'), null))
      await store.touch('shared', loaded)
      near((await row(db.sql, 'shared')).inSeconds, 600)
    })
  } finally {
    await beside.close()
  }
})

for (const onConflict of ['merge', 'error'] as const) {
  test(`with onConflict: '${onConflict}' the creation is no change, and the earlier one stays`, () =>
    withStore({ ...at, onConflict }, async (store) => {
      await db.sql`delete from session where sid = 'two'`
      await putRow(db.sql, 'two', { n: 1 }, 86_400)
      const [first, second, third] = (await Promise.all([1, 2, 3].map(() => store.get('two')))) as any[]
      await store.touch('two', third)
      await later(10, () => store.set('two', Object.assign(first, { n: 2 })))
      let stored = await row(db.sql, 'two')
      assert.equal(stored.n, 2)
      near(stored[CREATED], seconds())
      if (onConflict === 'error') {
        assert.equal((await failure(store.set('two', second))).code, 'STORE_CONFLICT')
      } else {
        await store.set('two', Object.assign(second, { m: 3 }))
        stored = await row(db.sql, 'two')
        assert.deepEqual([stored.n, stored.m], [2, 3])
        await store.set('two', Object.assign(second, { m: 4 }))
        assert.equal((await row(db.sql, 'two')).m, 4)
      }
      const created = seconds() - 3000
      await putOld('older', 3000)
      await later(5, () => store.set('older', sessionOf({ plain: 1 }, 86_400)))
      stored = await row(db.sql, 'older')
      assert.equal(stored.plain, 1)
      near(stored[CREATED], created)
    }))
}

test('a merge with a row that has lost the creation keeps it, and a clock that is set back refuses no save', () =>
  withStore(
    { ...at, onConflict: 'merge', serializer: { stringify: JSON.stringify, parse: JSON.parse } },
    async (store) => {
      await putOld('lost', 1000, 86_400, { n: 1 })
      const loaded = (await store.get('lost')) as SessionData
      await putRow(db.sql, 'without', {})
      await db.sql`update session set sess = '{"cookie":{},"n":2}' where sid = 'lost'`
      await later(-2000, () => store.set('lost', Object.assign(loaded, { m: 3 })))
      const stored = await row(db.sql, 'lost')
      assert.deepEqual([stored.n, stored.m], [2, 3])
      near(stored[CREATED], seconds() - 1000)
    },
  ))

test('a row that cannot be read is a conflict like any other', () =>
  withStore({ ...at, onConflict: 'error' }, async (store) => {
    await putOld('garbled', 10)
    const loaded = (await store.get('garbled')) as SessionData
    await db.sql`update session set sess = '7' where sid = 'garbled'`
    assert.equal((await failure(store.set('garbled', loaded))).code, 'STORE_CONFLICT')
  }))

const mask = (text: string) => Buffer.from(text, 'utf8').toString('base64')
const unmask = (text: string) => Buffer.from(text, 'base64').toString('utf8')
const serializers = {
  'a serializer that encrypts': {
    stringify: (each: SessionData) => JSON.stringify({ sealed: mask(JSON.stringify(each)) }),
    parse: (text: string) => JSON.parse(unmask(JSON.parse(text).sealed)),
  },
  'an async serializer': {
    async stringify(each: SessionData) {
      await new Promise((resume) => setTimeout(resume, 5))
      return JSON.stringify(mask(JSON.stringify(each)))
    },
    async parse(text: string) {
      await new Promise((resume) => setTimeout(resume, 5))
      return JSON.parse(unmask(JSON.parse(text)))
    },
  },
}
for (const [what, serializer] of Object.entries(serializers)) {
  test(`${what} keeps the creation inside its text`, () =>
    withStore({ ...at, serializer }, async (store) => {
      const sealed = async (sid: string) => serializer.parse((await row(db.sql, sid)).text)
      await db.sql`truncate session`
      await store.set('sealed', sessionOf({ user: 'ann' }, 86_400))
      assert.equal((await row(db.sql, 'sealed'))[CREATED], undefined)
      near((await sealed('sealed'))[CREATED], seconds())
      await later(3000, async () => {
        await store.set('sealed', sessionOf({ user: 'bob' }, 86_400))
        await store.touch('sealed', sessionOf({}, 86_400))
        const loaded = (await store.get('sealed')) as any
        assert.equal(loaded.user, 'bob')
        assert.ok(!(CREATED in loaded))
      })
      near((await sealed('sealed'))[CREATED], seconds())
      near((await row(db.sql, 'sealed')).inSeconds, 3600)
      await later(3602, async () => assert.equal(await store.get('sealed'), null))
      // One of before.
      const { [CREATED]: _, ...before } = await sealed('sealed')
      const text = await serializer.stringify(before)
      await db.sql`update session set sess = ${text}::text::json where sid = 'sealed'`
      const loaded = (await store.get('sealed')) as SessionData
      await store.touch('sealed', loaded)
      near((await sealed('sealed'))[CREATED], seconds())
    }))
}

for (const [what, stringify] of Object.entries({
  'stores only the keys that it knows': ({ cookie }: any) => JSON.stringify({ cookie }),
  'does so after a while': async ({ cookie }: any) => JSON.stringify({ cookie }),
})) {
  test(`a serializer that ${what} is refused at its first save: no session would ever end`, () =>
    withStore({ ...at, serializer: { stringify, parse: JSON.parse } }, async (store) => {
      const error = await failure(store.set('lost', sessionOf({ user: 'ann' })))
      assert.equal(error.code, 'STORE_SESSION')
      assert.match(error.message, /does not keep all top-level keys/)
      assert.equal(await row(db.sql, 'lost'), undefined)
    }))
}

test('a session with a toJSON, hidden properties or a prototype of its own is stored as without the option', async () => {
  class Odd {
    cookie = sessionOf().cookie
    get hidden() {
      return 1
    }
  }
  const withHidden = Object.defineProperty(sessionOf({ n: 1 }), 'secret', { value: 1 })
  const withToJson = { ...sessionOf(), secret: 1, toJSON: () => ({ cookie: {}, n: 2 }) }
  const withProto = JSON.parse('{"cookie":{},"__proto__":{"n":3}}')
  for (const odd of [new Odd(), withHidden, withToJson, withProto, Object.freeze(sessionOf())] as any[]) {
    await withStore(at, async (store) => {
      await store.set('odd-object', odd)
      const { text, [CREATED]: created } = await row(db.sql, 'odd-object')
      near(created, seconds())
      assert.equal(text.replace(`,"${CREATED}":${created}`, ''), JSON.stringify(odd))
    })
  }
})

for (const [version, make] of Object.entries(versions)) {
  test(`${version}: requests prolong a session up to its end, and a new login begins anew`, () =>
    withStore({ ...at, ttl: 1000 }, async (store) => {
      const app = await serve({ store, make, session: { rolling: true, cookie: { maxAge: 1_000_000 } } })
      try {
        const ann = browser()
        const { body } = await ann.get(app, '/login?user=ann')
        const { [CREATED]: created } = await row(db.sql, body.sid)
        for (let ago = 500; ago < 3600; ago += 500) {
          const path = ago % 1000 ? '/me' : `/put?n=${ago}`
          const answer = await later(ago, () => ann.get(app, path))
          assert.equal(answer.body.user, 'ann', `after ${ago} seconds`)
          assert.ok(!(CREATED in answer.body))
        }
        assert.equal((await row(db.sql, body.sid))[CREATED], created)
        const bob = browser()
        await bob.get(app, '/login?user=bob')
        await later(900, async () => {
          const again = await bob.get(app, '/login?user=bob')
          near((await row(db.sql, again.body.sid))[CREATED], seconds(), 'a login before the end')
        })
        await later(3602, async () => {
          assert.equal((await ann.get(app, '/me')).body.user, undefined)
          const again = await ann.get(app, '/login?user=ann')
          near((await row(db.sql, again.body.sid))[CREATED], seconds(), 'a login after the end')
        })
      } finally {
        await app.close()
      }
    }))
}

test('two first saves of one session at once store one creation, and later saves keep it', () =>
  withStore(at, async (store) => {
    await db.sql`delete from session where sid = 'twice'`
    const { now } = Date
    const begun = seconds()
    const saves = [1, 2, 3].map((n) => {
      Date.now = () => now() - (4 - n) * 7000
      return store.set('twice', sessionOf({ n }))
    })
    Date.now = now
    await Promise.all(saves)
    const stored = await row(db.sql, 'twice')
    assert.equal(stored.n, 3)
    near(stored[CREATED], begun - 21)
  }))

test('a trigger or a policy that hides a row from its save ends it as without the option', async () => {
  await db.sql.unsafe(`
    create role lifetime_hidden login password 'plain'; grant all on session to lifetime_hidden;
    alter table session enable row level security;
    create policy own on session using (sid not like 'hidden-%') with check (true);
    create function refuse() returns trigger language plpgsql as 'begin return null; end';
    create trigger refuse before insert on session for each row when (new.sid like 'refused-%') execute procedure refuse();
    insert into session values ('hidden-1', '{"cookie":{}}', now() + interval '1 hour')`)
  const url = Object.assign(new URL(db.url), { username: 'lifetime_hidden', password: 'plain' })
  const outcomes: unknown[][] = []
  for (const maxLifetime of [undefined, 3600]) {
    await withStore({ conString: url.href, maxLifetime }, async (store) => {
      const hidden = await failure(store.set('hidden-1', sessionOf()))
      await store.set('refused-1', sessionOf())
      outcomes.push([hidden.code, await store.get('refused-1')])
    })
  }
  await db.sql.unsafe(`
    drop trigger refuse on session; drop policy own on session; alter table session disable row level security;
    drop function refuse; drop owned by lifetime_hidden; drop role lifetime_hidden`)
  assert.deepEqual(outcomes, [
    ['42501', null],
    ['42501', null],
  ])
})

for (const onConflict of ['overwrite', 'merge', 'error'] as const) {
  test(`whatever requests in two processes do at once, no session gets a later creation (${onConflict})`, async () => {
    await withStore({ ...at, onConflict }, (one) =>
      withStore({ ...at, onConflict }, async (other) => {
        await putOld('busy', 1000)
        const { [CREATED]: created } = await row(db.sql, 'busy')
        const loaded: SessionData[] = []
        const any = <T>(list: readonly T[]) => list[Math.floor(Math.random() * list.length)] as T
        const acts: ((store: typeof one) => Promise<unknown>)[] = [
          async (store) => loaded.push((await store.get('busy')) as SessionData),
          (store) => store.set('busy', Object.assign(any(loaded), { n: Math.random() })),
          (store) => store.set('busy', { ...any(loaded) }),
          (store) => store.set('busy', store.createSession({ sessionID: 'busy' } as any, { ...any(loaded) })),
          (store) => store.touch('busy', any(loaded)),
          (store) => store.touch('busy', sessionOf({}, 86_400)),
        ]
        await acts[0]?.(one)
        let isBound = false
        for (let round = 0; round < 40; round++) {
          const chosen = Array.from({ length: 5 }, () => any(acts))
          // Reads alone leave the row as it was.
          isBound ||= chosen.some((act) => act !== acts[0])
          const results = await Promise.allSettled(chosen.map((act) => act(any([one, other]))))
          for (const result of results) {
            if (result.status === 'rejected') assert.equal(result.reason.code, 'STORE_CONFLICT')
          }
          const stored = await row(db.sql, 'busy')
          assert.equal(stored[CREATED], created)
          const numbers = chosen.map((act) => acts.indexOf(act)).join(' ')
          if (isBound)
            assert.ok(stored.inSeconds <= 2600, `${stored.inSeconds} in round ${round}: ${numbers}`)
        }
      }),
    )
  })
}

test('jsonb and text columns keep it as well', async () => {
  for (const type of ['jsonb', 'text']) {
    await db.sql.unsafe(
      `drop table if exists typed; create table typed (sid varchar primary key, sess ${type}, expire timestamp(6))`,
    )
    await withStore({ ...at, tableName: 'typed' }, async (store) => {
      await store.set('typed', sessionOf({ n: 1 }, 86_400))
      await later(1000, async () => {
        await store.set('typed', sessionOf({ n: 2 }, 86_400))
        const loaded = (await store.get('typed')) as any
        assert.equal(loaded.n, 2)
        await store.touch('typed', loaded)
      })
      near((await row(db.sql, 'typed', 'typed')).inSeconds, 3600)
    })
  }
})

test('a new session that is saved and touched at once has its whole time, also with `disableTouch`', () =>
  withStore({ ...at, disableTouch: true }, async (store) => {
    const session = store.createSession({ sessionID: 'at-once' } as any, sessionOf({ user: 'ann' }))
    await Promise.all([store.set('at-once', session), store.touch('at-once', session)])
    near((await row(db.sql, 'at-once')).inSeconds, 600)
  }))

test('a session that ended while its request went on is not stored again when its row is gone', () =>
  withStore(at, async (store) => {
    await putOld('over', 3000, 600)
    const session = (await store.get('over')) as SessionData
    await later(700, async () => {
      assert.equal(await store.get('over'), null)
      await db.sql`delete from session where sid = 'over'`
      await store.set('over', Object.assign(session, sessionOf({ saved: true }, 86_400)))
    })
    assert.equal(await row(db.sql, 'over'), undefined)
  }))

test('no connection is left behind', () => db.drop())
