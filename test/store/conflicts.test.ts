// `onConflict`: what a save does when the row changed since its request loaded it.

import assert from 'node:assert/strict'
import type { SessionData } from 'express-session'
import type { PostgresStore } from '../../src/index.ts'
import { database, tableSql } from '../support/database.ts'
import { failure } from '../support/failure.ts'
import { incumbent } from '../support/incumbent.ts'
import { worker } from '../support/processes.ts'
import { promises } from '../support/promise.ts'
import { putRow, row, sessionOf, withStore } from '../support/store.ts'

const db = await database('conflicts')
await db.sql.unsafe(tableSql)
const test = promises('conflicts')
const merging = { conString: db.url, onConflict: 'merge' } as const
const refusing = { conString: db.url, onConflict: 'error' } as const

const load = async (store: PostgresStore, sid: string) => (await store.get(sid)) as any
/** The user's data of a row, without the cookie. */
const data = async (sid: string, table = 'session') => {
  const [found] = await db.sql.unsafe(
    `select sess::jsonb - 'cookie' as data from "${table}" where sid = $1`,
    [sid],
  )
  return found?.['data']
}
const change = (sid: string, values: object) =>
  db.sql`update session set sess = (sess::jsonb || ${JSON.stringify(values)}::text::jsonb)::json where sid = ${sid}`

test('error: a save of what somebody changed meanwhile fails with STORE_CONFLICT, and the row stays as it is', () =>
  withStore(refusing, async (store) => {
    await putRow(db.sql, 'refused', { n: 1 })
    const session = await load(store, 'refused')
    await change('refused', { n: 2 })
    const error = await failure(store.set('refused', Object.assign(session, { n: 3 })))
    assert.equal(error.code, 'STORE_CONFLICT')
    assert.doesNotMatch(error.message, /refused|"n"/)
    assert.equal((await row(db.sql, 'refused')).n, 2)
    const again = await load(store, 'refused')
    await store.set('refused', Object.assign(again, { n: 4 }))
    await store.set('refused', Object.assign(again, { n: 5 }))
    assert.equal((await row(db.sql, 'refused')).n, 5, 'a save after a save of one’s own is no conflict')
  }))

test('merge: what others stored stays, what this request changed is stored, also by a second save', () =>
  withStore(merging, async (store) => {
    await putRow(db.sql, 'merged', { a: 1, b: 1, gone: 1 })
    const session = await load(store, 'merged')
    await change('merged', { b: 2, c: 2 })
    delete session.gone
    await store.set('merged', Object.assign(session, { a: 3 }))
    assert.deepEqual(await data('merged'), { a: 3, b: 2, c: 2 })
    await store.set('merged', Object.assign(session, { d: 4 }))
    assert.deepEqual(await data('merged'), { a: 3, b: 2, c: 2, d: 4 })
    await change('merged', { e: 5 })
    await store.set('merged', Object.assign(session, { a: 6 }))
    assert.deepEqual(await data('merged'), { a: 6, b: 2, c: 2, d: 4, e: 5 })
  }))

test('without a conflict the text is stored as it is, in either mode', async () => {
  for (const options of [merging, refusing]) {
    await withStore(options, async (store) => {
      const sid = `verbatim-${options.onConflict}`
      await putRow(db.sql, sid, { n: 1 })
      const session = await load(store, sid)
      Object.assign(session, { z: 1.0, a: 'é\u2028', nested: { b: [] } })
      await store.set(sid, session)
      assert.equal((await row(db.sql, sid)).text, JSON.stringify(session))
    })
  }
})

test('a touch by others is no conflict, nor is it one of a row whose column is jsonb', async () => {
  await db.sql`create table binary_session (sid text primary key, sess jsonb not null, expire timestamp not null)`
  await withStore({ ...refusing, tableName: 'binary_session' }, async (store) => {
    await store.set('binary', sessionOf({ z: 1, a: 2 }))
    const session = await load(store, 'binary')
    await db.sql`update binary_session set expire = expire + interval '1 minute'`
    for (const n of [1, 2, 3]) await store.set('binary', Object.assign(session, { n }))
    assert.deepEqual(await data('binary', 'binary_session'), { z: 1, a: 2, n: 3 })
  })
})

test('in either mode a destroyed session stays destroyed, and the save is a success', async () => {
  for (const options of [merging, refusing]) {
    await withStore(options, async (store) => {
      await putRow(db.sql, 'destroyed', { n: 1 })
      const session = await load(store, 'destroyed')
      await db.sql`delete from session where sid = 'destroyed'`
      await store.set('destroyed', Object.assign(session, { n: 2 }))
      await store.set('destroyed', session)
      assert.equal(await row(db.sql, 'destroyed'), undefined)
    })
  }
})

test('error: saves of one request that do not wait for each other are no conflict, the last one counts', () =>
  withStore(refusing, async (store) => {
    await putRow(db.sql, 'impatient', { n: 1 })
    const session = await load(store, 'impatient')
    await Promise.all([2, 3, 4].map((n) => store.set('impatient', Object.assign(session, { n }))))
    assert.equal((await row(db.sql, 'impatient')).n, 4)
  }))

test('error: a row that holds the new text already is no conflict: the answer of the first attempt may be lost', () =>
  withStore(refusing, async (store) => {
    await putRow(db.sql, 'twice', { n: 1 })
    const session = Object.assign(await load(store, 'twice'), { n: 2 })
    await db.sql`update session set sess = ${JSON.stringify(session)}::text::json where sid = 'twice'`
    await store.set('twice', session)
    assert.equal((await row(db.sql, 'twice')).n, 2)
  }))

test('error: a column of type jsonb, which spells a session anew, makes no conflict of a lost answer either', async () => {
  await db.sql`create table binary_sessions (like session including all)`
  await db.sql`alter table binary_sessions alter column sess type jsonb`
  await withStore({ ...refusing, tableName: 'binary_sessions' }, async (store) => {
    await putRow(db.sql, 'twice', { n: 1 }, 600, 'binary_sessions')
    const session = Object.assign(await load(store, 'twice'), { n: 2 })
    await db.sql`update binary_sessions set sess = ${JSON.stringify(session)}::text::jsonb`
    await store.set('twice', session)
    assert.equal((await row(db.sql, 'twice', 'binary_sessions')).n, 2)
    await db.sql`update binary_sessions set sess = jsonb_set(sess, '{n}', '3')`
    assert.equal((await failure(store.set('twice', Object.assign(session, { n: 4 })))).code, 'STORE_CONFLICT')
  })
})

test('merge: only what somebody else changed counts as a conflict', async () => {
  await withStore(merging, async (store) => {
    await putRow(db.sql, 'counted', { n: 1 })
    const session = await load(store, 'counted')
    await change('counted', { other: 1 })
    for (const n of [2, 3, 4]) {
      await store.set('counted', Object.assign(session, { n }))
      assert.equal(store.stats().conflicts, 1)
    }
    assert.deepEqual(await data('counted'), { n: 4, other: 1 })
  })
})

test('merge: the row lives as long as another request let it, by its cookie or by `ttl`', async () => {
  const expiry = async (sid: string) => Date.now() / 1000 + (await row(db.sql, sid)).inSeconds
  const hours = (count: number) => sessionOf({}, count * 3600).cookie
  const seen: string[][] = []
  const ttl = (session: SessionData) => {
    seen.push(Object.keys(session))
    return 'remembered' in session ? 30 * 86_400 : 1200
  }
  await withStore({ ...merging, maxLifetime: 40 * 86_400, ttl, touchInterval: 0 }, async (store) => {
    for (const count of [0.1, 500]) {
      const sid = `lives-${count}`
      await putRow(db.sql, sid, {}, 3600)
      const session = await load(store, sid)
      const cookie = hours(count)
      await change(sid, { cookie })
      await store.set(sid, Object.assign(session, { cookie: hours(1), mine: 1 }))
      assert.equal((await row(db.sql, sid)).mine, 1)
      assert.ok(Math.abs((await expiry(sid)) - cookie.expires!.getTime() / 1000) < 5)
      assert.equal((await load(store, sid)).cookie.originalMaxAge, count * 3_600_000)
      // express-session touches at the end of a request that has saved by itself.
      await db.sql`update session set expire = expire - interval '100 seconds' where sid = ${sid}`
      await store.touch(sid, session)
      assert.ok(Math.abs((await expiry(sid)) - cookie.expires!.getTime() / 1000) < 5)
    }
    // Touches move the expiry of the row only.
    await putRow(db.sql, 'prolonged', {}, 600)
    const slow = await load(store, 'prolonged')
    await change('prolonged', { cookie: { ...hours(0.5), expires: new Date(Date.now() + 1000) } })
    await store.set('prolonged', Object.assign(slow, { mine: 1 }))
    assert.ok((await row(db.sql, 'prolonged')).inSeconds > 1790)
    await putRow(db.sql, 'remembered', { cookie: {} })
    const session = await load(store, 'remembered')
    await change('remembered', { remembered: true })
    const until = Date.now() / 1000 + 30 * 86_400
    await store.set('remembered', Object.assign(session, { mine: 1 }))
    assert.ok((await expiry('remembered')) > until - 5)
    assert.deepEqual(seen.at(-1), ['cookie', 'remembered', 'mine'])
    await store.touch('remembered', session)
    assert.ok((await expiry('remembered')) > until - 5)
  })
  // A `ttl` that needs what only the object of the request has.
  const narrow = (session: SessionData) => Reflect.get(session, 'req').lifetime
  await withStore({ ...merging, ttl: narrow }, async (store) => {
    await putRow(db.sql, 'narrow', { cookie: {} })
    const session = await load(store, 'narrow')
    await change('narrow', { n: 1 })
    Object.defineProperty(session, 'req', { value: { lifetime: 300 } })
    await store.set('narrow', Object.assign(session, { mine: 1 }))
    assert.ok(Math.abs((await row(db.sql, 'narrow')).inSeconds - 300) < 5)
  })
})

test('a new session is stored in any case', () =>
  withStore(refusing, async (store) => {
    const session = sessionOf({ n: 1 })
    await store.set('new', session)
    await change('new', { n: 2 })
    await store.set('new', session)
    assert.equal((await row(db.sql, 'new')).n, 1)
  }))

test('a save that a logout of the same moment overtook is a success, and so is the next save', async () => {
  for (const options of [merging, refusing]) {
    await withStore(options, async (store) => {
      for (const first of ['save', 'destroy']) {
        const sid = `overtaken-${first}`
        await putRow(db.sql, sid, { n: 1 })
        const session = Object.assign(await load(store, sid), { n: 2 })
        const out = first === 'destroy' ? [store.destroy(sid)] : []
        const saved = store.set(sid, session)
        if (first === 'save') out.push(store.destroy(sid))
        await Promise.all([saved, ...out])
        await store.set(sid, Object.assign(session, { n: 3 }))
        assert.equal(await row(db.sql, sid), undefined)
      }
    })
  }
})

test('merge: what a request changes while its own save is under way counts from that save', () =>
  withStore(merging, async (store) => {
    for (const theirs of [{}, { theirs: 1 }]) {
      const sid = `impatient-${Object.keys(theirs)}`
      await putRow(db.sql, sid, { n: 1 })
      const session = await load(store, sid)
      await change(sid, theirs)
      const first = store.set(sid, Object.assign(session, { step: 1, other: 1 }))
      delete session.step
      const second = store.set(sid, session)
      // Sent, or only next in line.
      await new Promise((resume) => setImmediate(resume))
      const third = store.set(sid, Object.assign(session, { n: 2 }))
      await Promise.all([first, second, third])
      assert.deepEqual(await data(sid), { n: 2, other: 1, ...theirs })
    }
  }))

test('merge: a save that failed is none: the next one brings its changes too', () =>
  withStore({ ...merging, timeout: 2 }, async (store) => {
    await putRow(db.sql, 'failing', { n: 1 })
    const session = await load(store, 'failing')
    await change('failing', { theirs: 1 })
    let second: Promise<void> | undefined
    await db.sql.begin(async (holder) => {
      await holder`select from session where sid = 'failing' for update`
      const first = store.set('failing', Object.assign(session, { step: 1 }))
      await new Promise((resume) => setTimeout(resume, 1000))
      second = store.set('failing', Object.assign(session, { n: 2 }))
      assert.equal((await failure(first)).code, 'STORE_TIMEOUT')
    })
    await second
    assert.deepEqual(await data('failing'), { n: 2, step: 1, theirs: 1 })
  }))

test('error: a touch of the same moment does not fail with the save that is in conflict', () =>
  withStore(refusing, async (store) => {
    await putRow(db.sql, 'touched', { n: 1 })
    const session = await load(store, 'touched')
    await change('touched', { n: 2 })
    const [saved, touched] = await Promise.allSettled([
      store.set('touched', Object.assign(session, { n: 3 })),
      store.touch('touched', sessionOf({}, 5000)),
    ])
    assert.deepEqual([saved.status, touched.status], ['rejected', 'fulfilled'])
    const found = await row(db.sql, 'touched')
    assert.equal(found.n, 2)
    assert.ok(found.inSeconds > 4900)
  }))

test('a request that outlives the expiry it loaded compares with a row that others prolonged', async () => {
  await withStore(merging, (merger) =>
    withStore(refusing, async (refuser) => {
      for (const sid of ['merge', 'refuse', 'same', 'pruned', 'appears'])
        await putRow(db.sql, sid, { n: 1 }, 1)
      const sessions: Record<string, any> = {}
      for (const sid of ['merge', 'appears', 'pruned']) sessions[sid] = await load(merger, sid)
      for (const sid of ['refuse', 'same']) sessions[sid] = await load(refuser, sid)
      for (const sid of ['merge', 'refuse']) await change(sid, { theirs: 1 })
      await db.sql`
        update session set expire = expire + interval '1 hour' where sid in ('merge', 'refuse', 'same')`
      await new Promise((resume) => setTimeout(resume, 2100))
      await db.sql`delete from session where sid in ('pruned', 'appears')`
      for (const session of Object.values(sessions)) Object.assign(session, sessionOf({ mine: 1 }))

      await merger.set('merge', sessions['merge'])
      assert.deepEqual(await data('merge'), { n: 1, mine: 1, theirs: 1 })
      assert.equal((await failure(refuser.set('refuse', sessions['refuse']))).code, 'STORE_CONFLICT')
      assert.deepEqual(await data('refuse'), { n: 1, theirs: 1 })
      await refuser.set('same', sessions['same'])
      assert.deepEqual(await data('same'), { n: 1, mine: 1 })
      await merger.set('pruned', sessions['pruned'])
      assert.deepEqual(await data('pruned'), { n: 1, mine: 1 })

      // One that another stores between the look and the insert, which waits for it.
      let saved: Promise<void> | undefined
      await db.sql.begin(async (other) => {
        const theirs = JSON.stringify(sessionOf({ n: 1, theirs: 2 }))
        await other`
          insert into session values ('appears', ${theirs}::text::json, now() + interval '1 hour')`
        saved = merger.set('appears', sessions['appears'])
        await new Promise((resume) => setTimeout(resume, 100))
      })
      await saved
      assert.deepEqual(await data('appears'), { n: 1, mine: 1, theirs: 2 })
    }),
  )
})

test('a new session of express-session compares from its second save on, also in jsonb', async () => {
  await db.sql`create table binary_new (sid text primary key, sess jsonb not null, expire timestamp not null)`
  for (const tableName of ['session', 'binary_new']) {
    const alter = (sid: string) =>
      db.sql.unsafe(
        `update "${tableName}" set sess = (sess::jsonb || '{"theirs": 1}')::json where sid = $1`,
        [sid],
      )
    const created = (store: PostgresStore, sid: string): any =>
      store.createSession({ sessionID: sid, sessionStore: store } as any, sessionOf({ z: 1, a: 2 }))
    await withStore({ ...merging, tableName }, async (store) => {
      const session = created(store, 'merged-new')
      await store.set('merged-new', session)
      await store.set('merged-new', Object.assign(session, { a: 3 }))
      await alter('merged-new')
      delete session.z
      await store.set('merged-new', session)
      assert.deepEqual(await data('merged-new', tableName), { a: 3, theirs: 1 })
    })
    await withStore({ ...refusing, tableName }, async (store) => {
      const session = created(store, 'refused-new')
      const first = store.set('refused-new', session)
      await Promise.all([first, store.set('refused-new', Object.assign(session, { n: 1 }))])
      await store.set('refused-new', Object.assign(session, { n: 2 }))
      await alter('refused-new')
      const error = await failure(store.set('refused-new', Object.assign(session, { n: 3 })))
      assert.equal(error.code, 'STORE_CONFLICT')
      assert.deepEqual(await data('refused-new', tableName), { z: 1, a: 2, n: 2, theirs: 1 })
      const another = created(store, 'refused-new')
      await store.set('refused-new', another)
      assert.deepEqual(
        await data('refused-new', tableName),
        { z: 1, a: 2 },
        'the first is stored in any case',
      )
    })
  }
})

test('what is issued after a save that has to be merged takes effect after it', () =>
  withStore(merging, async (store) => {
    for (const sid of ['then-destroyed', 'then-touched']) {
      await putRow(db.sql, sid, { n: 1 }, 600)
      const session = await load(store, sid)
      await change(sid, { other: 1 })
      const saved = store.set(sid, Object.assign(session, sessionOf({ n: 2 }, 700)))
      await new Promise((resume) => setImmediate(resume))
      await Promise.all([
        saved,
        sid === 'then-destroyed' ? store.destroy(sid) : store.touch(sid, sessionOf({}, 5000)),
      ])
    }
    assert.equal(await row(db.sql, 'then-destroyed'), undefined)
    const touched = await row(db.sql, 'then-touched')
    assert.deepEqual([touched.n, touched.other], [2, 1])
    assert.ok(touched.inSeconds > 4900)
  }))

test('a session whose text cannot be read by the serializer cannot be merged: STORE_SESSION', () => {
  const serializer = {
    stringify: async (session: any) => JSON.stringify(session),
    async parse(text: string) {
      if (text.includes('poison')) throw new Error('secret')
      return JSON.parse(text)
    },
  }
  return withStore({ ...merging, serializer }, async (store) => {
    await putRow(db.sql, 'poisoned', { n: 1 })
    const session = await load(store, 'poisoned')
    await change('poisoned', { other: 1 })
    await store.set('poisoned', Object.assign(session, { n: 2 }))
    assert.deepEqual(await data('poisoned'), { n: 2, other: 1 })
    await change('poisoned', { poison: 1 })
    const error = await failure(store.set('poisoned', Object.assign(session, { n: 3 })))
    assert.equal(error.code, 'STORE_SESSION')
    assert.equal((await row(db.sql, 'poisoned')).n, 2)
  })
})

test('a serializer that never answers delays nobody for longer than `timeout`, and no end of the store', () => {
  let isStuck = false
  const serializer = {
    stringify: JSON.stringify,
    parse: async (text: string) =>
      isStuck && text.includes('stuck') ? new Promise<never>(() => {}) : JSON.parse(text),
  }
  return withStore({ ...merging, serializer, timeout: 1 }, async (store) => {
    await putRow(db.sql, 'stuck', { stuck: 1 })
    const session = await load(store, 'stuck')
    await change('stuck', { other: 1 })
    isStuck = true
    const calls = [store.set('stuck', Object.assign(session, { n: 1 })), store.get('stuck'), store.all()]
    const later = Promise.allSettled([store.clear(), store.length()])
    for (const call of calls) assert.equal((await failure(call)).code, 'STORE_TIMEOUT')
    await later
    await store.clear()
    assert.equal(await store.length(), 0)
    await store.set('stuck', sessionOf({ n: 2 }))
    assert.equal((await row(db.sql, 'stuck')).n, 2)
  })
})

const KEYS = [
  ['a', 'b', 'c', 'd'],
  ['e', 'f', 'g', 'h'],
]

/**
 * Loads by eight requests in two processes for each session, a write of connect-pg-simple if wanted, then
 * the eight saves.
 */
async function race(
  onConflict: string,
  rounds: number,
  beside: boolean,
): Promise<{ stored: [string, string][]; refused: number }> {
  const sids = Array.from({ length: rounds }, (_, i) => `${onConflict}-${i}`)
  await db.sql`
    insert into session
    select sid, ${JSON.stringify(sessionOf({ doomed: 1 }))}::text::json, now() + interval '1 hour'
    from unnest(${sids}::text[]) sid`
  const workers = KEYS.map((keys) => worker('conflict', { url: db.url, onConflict, keys }))
  const theirs = incumbent(db.url)
  const all = async (verb: string) => {
    for (const each of workers) each.tell({ verb, sids })
    return Promise.all(workers.map((each) => each.next()))
  }
  try {
    await Promise.all(workers.map((each) => each.next()))
    await all('load')
    for (const sid of beside ? sids : [])
      await theirs.set(sid, Object.assign(await theirs.get(sid), { theirs: 1 }))
    const answers = await all('save')
    return {
      stored: answers.flatMap(({ stored }) => stored),
      refused: answers.reduce((sum, { refused }) => sum + refused, 0),
    }
  } finally {
    await Promise.all([...workers.map((each) => each.end()), theirs.close()])
  }
}

test(
  'merge, 1,000 rounds of eight requests in two processes beside connect-pg-simple: no key is lost, none comes back',
  async () => {
    const { stored, refused } = await race('merge', 1000, true)
    assert.deepEqual([stored.length, refused], [8000, 0])
    const rows = await db.sql`select sess from session where sid like 'merge-%'`
    assert.equal(rows.length, 1000)
    for (const { sess } of rows)
      assert.deepEqual(Object.keys(sess).sort(), [...KEYS.flat(), 'cookie', 'theirs'].sort())
  },
  { seconds: 120 },
)

test(
  'error, 1,000 rounds of the same: of the eight one is stored, and every other is told',
  async () => {
    const { stored, refused } = await race('error', 1000, false)
    assert.deepEqual([stored.length, refused], [1000, 7000])
    const winners = new Map(stored)
    assert.equal(winners.size, 1000)
    for (const { sid, sess } of await db.sql`select sid, sess from session where sid like 'error-%'`)
      assert.deepEqual(Object.keys(sess).sort(), [winners.get(sid), 'cookie'].sort())
  },
  { seconds: 120 },
)

test('error: of eight requests that save at once exactly one is stored', () =>
  withStore(refusing, async (store) => {
    await putRow(db.sql, 'eight', { n: 0 })
    const sessions: any[] = await Promise.all(Array.from({ length: 8 }, () => store.get('eight')))
    const outcomes = await Promise.allSettled(
      sessions.map((session, i) => store.set('eight', Object.assign(session as SessionData, { n: i + 1 }))),
    )
    const winners = outcomes.flatMap(({ status }, i) => (status === 'fulfilled' ? [i + 1] : []))
    assert.equal(winners.length, 1)
    assert.equal((await row(db.sql, 'eight')).n, winners[0])
  }))

test('no connection is left behind', () => db.drop())
