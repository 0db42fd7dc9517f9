// connect-pg-simple and this store on one table at the same time, in servers of several TimeZones: each
// sees what the other did.

import assert from 'node:assert/strict'
import type { SessionData } from 'express-session'
import fc from 'fast-check'
import { database, tableSql } from '../support/database.ts'
import { incumbent } from '../support/incumbent.ts'
import { promises } from '../support/promise.ts'
import { endless, putRow, row, Store, sessionOf } from '../support/store.ts'

for (const timeZone of ['UTC', 'America/New_York', 'Asia/Kolkata']) {
  const db = await database(`neighbours_${timeZone}`, { timeZone })
  await db.sql.unsafe(tableSql)
  const ours = new Store({ conString: db.url, pruneSessionInterval: false })
  const theirs = incumbent(db.url)
  const test = promises(`neighbours in ${timeZone}`)

  const expiry = async (sid: string) => {
    const [found] = await db.sql`select expire::text as wall from session where sid = ${sid}`
    return found?.['wall']
  }
  const expiresOf = (session: any) => Math.ceil(new Date(session.cookie.expires).getTime() / 1000)

  test('the server is in that zone', async () => {
    const [{ TimeZone }] = (await db.sql`show timezone`) as any
    assert.equal(TimeZone, timeZone)
  })

  test('each reads what the other wrote, and both write the same row', async () => {
    const session = sessionOf({ user: 'ann', text: 'é\u0000\ud800"', list: [1, { a: null }] }, 1234)
    await ours.set('from-ours', session)
    await theirs.set('from-theirs', session)
    assert.equal((await row(db.sql, 'from-ours')).text, (await row(db.sql, 'from-theirs')).text)
    assert.equal(await expiry('from-ours'), await expiry('from-theirs'))
    for (const sid of ['from-ours', 'from-theirs']) {
      const [we, they] = [(await ours.get(sid)) as any, await theirs.get(sid)]
      assert.equal(expiresOf(we), expiresOf(they))
      assert.deepEqual({ ...we, cookie: 0 }, { ...they, cookie: 0 })
      assert.deepEqual({ ...we.cookie, expires: 0 }, { ...they.cookie, expires: 0 })
    }
  })

  test('a session without an expiry of its own gets the same from both', async () => {
    const short = new Store({ conString: db.url, ttl: 500, pruneSessionInterval: false })
    const shortToo = incumbent(db.url, { ttl: 500 })
    await Promise.all([short.set('ttl-ours', endless()), shortToo.set('ttl-theirs', endless())])
    const [a, b] = [await row(db.sql, 'ttl-ours'), await row(db.sql, 'ttl-theirs')]
    assert.ok(Math.abs(a.inSeconds - b.inSeconds) <= 1)
    await Promise.all([short.close(), shortToo.close()])
  })

  test('each touches, destroys and prunes the rows of the other', async () => {
    await db.sql`delete from session`
    await ours.set('a', sessionOf({}, 60))
    await theirs.set('b', sessionOf({}, 60))
    const later = sessionOf({}, 3600)
    await theirs.touch('a', later)
    await ours.touch('b', later)
    assert.equal(await expiry('a'), await expiry('b'))
    assert.equal(expiresOf(await ours.get('a')), expiresOf(later))
    await ours.destroy('b')
    await theirs.destroy('a')
    assert.equal(await theirs.get('b'), undefined)
    assert.equal(await ours.get('a'), null)
    await putRow(db.sql, 'old-1', {}, -10)
    await putRow(db.sql, 'live', {}, 10)
    assert.equal(await ours.pruneSessions(), 1)
    await ours.set('old-2', sessionOf({}, -10))
    await theirs.prune()
    assert.deepEqual([await expiry('old-1'), await expiry('old-2')], [undefined, undefined])
    assert.ok(await expiry('live'))
  })

  test('both see a session end in the same second, where the row says when', async () => {
    // Rows around the present moment, as a touch leaves them: whatever the clock says, both say the same of
    // each.
    for (let i = -3; i <= 3; i++) {
      await putRow(db.sql, `edge${i}`, {}, 100)
      await db.sql`
        update session set expire = to_timestamp(${Math.ceil(Date.now() / 1000) + i}::float8) where sid = ${`edge${i}`}`
    }
    for (let round = 0; round < 20; round++) {
      const before = Math.ceil(Date.now() / 1000)
      const seen = await Promise.all(
        [-3, -2, -1, 0, 1, 2, 3].map(async (i) => [await ours.get(`edge${i}`), await theirs.get(`edge${i}`)]),
      )
      if (Math.ceil(Date.now() / 1000) !== before) continue
      for (const [we, they] of seen) assert.equal(we === null, they === undefined)
      await new Promise((resume) => setTimeout(resume, 60))
    }
  })

  if (timeZone === 'America/New_York') {
    test('the hour that daylight saving repeats or leaves out is the same to both', async () => {
      for (const moment of [
        '2030-11-03T05:30:00Z',
        '2030-11-03T06:30:00Z',
        '2031-03-09T06:59:59Z',
        '2031-03-09T07:00:00Z',
      ]) {
        const session = sessionOf()
        session.cookie.expires = new Date(moment)
        await ours.set('dst-ours', session)
        await theirs.set('dst-theirs', session)
        assert.equal(await expiry('dst-ours'), await expiry('dst-theirs'), moment)
      }
    })
  }

  test(
    'any sequence of operations, split between the two, is visible to both as to a model',
    async () => {
      const sid = fc.constantFrom('m1', 'm2', 'm3')
      const seconds = fc.constantFrom(-5, 300, 600)
      const who = fc.constantFrom('ours', 'theirs')
      const step = fc.oneof(
        fc.record({ who, verb: fc.constant('set' as const), sid, seconds, data: fc.jsonValue() }),
        fc.record({ who, verb: fc.constant('touch' as const), sid, seconds }),
        fc.record({ who, verb: fc.constant('destroy' as const), sid }),
        fc.record({ who, verb: fc.constant('prune' as const) }),
      )
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
          await db.sql`delete from session`
          const model = new Map<string, { data: string; expire: number }>()
          for (const each of steps) {
            const session = sessionOf(
              'data' in each ? { data: each.data } : {},
              'seconds' in each ? each.seconds : 0,
            )
            const expire = Number(session.cookie.expires)
            if (each.verb === 'set') {
              await (each.who === 'ours' ? ours : theirs).set(each.sid, session)
              model.set(each.sid, { data: JSON.stringify(each.data), expire })
            } else if (each.verb === 'touch') {
              await (each.who === 'ours' ? ours : theirs).touch(each.sid, session)
              const held = model.get(each.sid)
              // Theirs revives an expired row that is not yet pruned; ours leaves it dead.
              if (held && (each.who === 'theirs' || held.expire > Date.now())) held.expire = expire
            } else if (each.verb === 'destroy') {
              await (each.who === 'ours' ? ours : theirs).destroy(each.sid)
              model.delete(each.sid)
            } else {
              await (each.who === 'ours' ? ours.pruneSessions() : theirs.prune())
              for (const [key, held] of model) if (held.expire < Date.now()) model.delete(key)
            }
          }
          const alive = [...model].filter(([, held]) => held.expire > Date.now())
          for (const name of ['m1', 'm2', 'm3']) {
            const held = alive.find(([key]) => key === name)?.[1]
            const [we, they] = [(await ours.get(name)) as any, await theirs.get(name)]
            assert.equal(we ? JSON.stringify(we.data) : undefined, held?.data)
            assert.equal(they ? JSON.stringify(they.data) : undefined, held?.data)
            if (held) assert.equal(expiresOf(we), Math.ceil(held.expire / 1000))
          }
          assert.deepEqual((await ours.ids()).sort(), alive.map(([key]) => key).sort())
          assert.equal((await db.sql`select from session`).length, model.size)
        }),
        { numRuns: 60 },
      )
    },
    { seconds: 60 },
  )

  test('no connection is left behind', async () => {
    await Promise.all([ours.close(), theirs.close()])
    await db.drop()
  })
}

const db = await database('neighbours_logout')
await db.sql.unsafe(tableSql)
const test = promises('neighbours and logout')

test('a logout at the neighbour is not undone by a save of ours', async () => {
  const ours = new Store({ conString: db.url, pruneSessionInterval: false })
  const theirs = incumbent(db.url)
  await theirs.set('out', sessionOf({ user: 'ann' }))
  const loaded = (await ours.get('out')) as SessionData
  await theirs.destroy('out')
  await ours.set('out', loaded)
  assert.equal(await row(db.sql, 'out'), undefined)
  await Promise.all([ours.close(), theirs.close()])
})

test('no connection is left behind', () => db.drop())
