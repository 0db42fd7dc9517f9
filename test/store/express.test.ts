// The contract of express-session, over HTTP, on Express 4 and 5.

import assert from 'node:assert/strict'
import type { SessionOptions } from 'express-session'
import { type App, browser, serve, versions } from '../support/app.ts'
import { database, tableSql } from '../support/database.ts'
import { incumbent } from '../support/incumbent.ts'
import { promises } from '../support/promise.ts'
import { row, Store } from '../support/store.ts'

const db = await database('express')
await db.sql.unsafe(tableSql)
const store = new Store({ conString: db.url, pruneSessionInterval: false })
// express-session listens to it once for each app.
store.setMaxListeners(0)
const sidOf = (cookie: string | undefined) => /s%3A([^.]+)\./.exec(cookie ?? '')?.[1] as string
const HOUR = 3_600_000

for (const [name, make] of Object.entries(versions)) {
  const test = promises(name)

  const withApp = async (session: Partial<SessionOptions>, use: (app: App) => Promise<void>) => {
    const app = await serve({ store, make, session })
    try {
      await use(app)
    } finally {
      await app.close()
    }
  }

  test('who logs in is known at the next request, and nobody else is', () =>
    withApp({}, async (app) => {
      const [ann, bob] = [browser(), browser()]
      await Promise.all([ann.get(app, '/login?user=ann'), bob.get(app, '/login?user=bob')])
      assert.equal((await ann.get(app, '/me')).body.user, 'ann')
      assert.equal((await bob.get(app, '/me')).body.user, 'bob')
      assert.equal((await browser().get(app, '/me')).body.user, undefined)
      assert.equal((await row(db.sql, sidOf(ann.cookie))).user, 'ann')
    }))

  test('logging in changes the sid, and the old one is gone', () =>
    withApp({ saveUninitialized: true }, async (app) => {
      const ann = browser()
      await ann.get(app, '/me')
      const before = sidOf(ann.cookie)
      assert.ok(await row(db.sql, before))
      await ann.get(app, '/login?user=ann')
      assert.notEqual(sidOf(ann.cookie), before)
      assert.equal(await row(db.sql, before), undefined)
    }))

  test('who logs out is unknown, also with the old cookie', () =>
    withApp({}, async (app) => {
      const ann = browser()
      await ann.get(app, '/login?user=ann')
      const { cookie } = ann
      await ann.get(app, '/logout')
      ann.cookie = cookie
      const { body } = await ann.get(app, '/me')
      assert.equal(body.user, undefined)
      assert.notEqual(body.sid, sidOf(cookie))
      assert.equal(await row(db.sql, sidOf(cookie)), undefined)
    }))

  test('regenerate gives a new sid and an empty session', () =>
    withApp({ saveUninitialized: true }, async (app) => {
      const ann = browser()
      await ann.get(app, '/login?user=ann')
      const { body } = await ann.get(app, '/regenerate')
      assert.notEqual(body.before, body.after)
      assert.equal(await row(db.sql, body.before), undefined)
      assert.equal((await row(db.sql, body.after)).user, undefined)
    }))

  test('reload brings back what is stored, and a save after it is stored', () =>
    withApp({}, async (app) => {
      const ann = browser()
      await ann.get(app, '/login?user=ann')
      const { body } = await ann.get(app, '/reload')
      assert.equal(body.user, 'ann')
      assert.equal(body.forgotten, undefined)
      await ann.get(app, '/put?a=1')
      assert.equal((await row(db.sql, sidOf(ann.cookie))).a, '1')
    }))

  test('reload of a session destroyed meanwhile is an error of the app', async () => {
    const app = await serve({
      store,
      make,
      routes: (routes) =>
        routes.get('/destroyed', async (req, res, next) => {
          await db.sql`delete from session where sid = ${req.sessionID}`
          req.session.reload((error) => (error ? next(error) : res.json({})))
        }),
    })
    const ann = browser()
    await ann.get(app, '/login?user=ann')
    assert.equal((await ann.get(app, '/destroyed')).body.message, 'failed to load session')
    await app.close()
  })

  test('a request that changes nothing moves the expiry and does not write the text', () =>
    withApp({ cookie: { maxAge: HOUR } }, async (app) => {
      const ann = browser()
      await ann.get(app, '/login?user=ann')
      const sid = sidOf(ann.cookie)
      await db.sql`update session set expire = expire - interval '30 minutes' where sid = ${sid}`
      const before = await row(db.sql, sid)
      await ann.get(app, '/me')
      const after = await row(db.sql, sid)
      assert.equal(after.text, before.text)
      assert.ok(after.inSeconds > before.inSeconds + 1700)
    }))

  test('resave writes the text at every request', () =>
    withApp({ resave: true }, async (app) => {
      const ann = browser()
      await ann.get(app, '/login?user=ann')
      const sid = sidOf(ann.cookie)
      await db.sql`update session set sess = (sess::jsonb - 'user')::json where sid = ${sid}`
      await db.sql`update session set sess = jsonb_set(sess::jsonb, '{user}', '"eve"')::json where sid = ${sid}`
      const before = await row(db.sql, sid)
      await ann.get(app, '/me')
      const after = await row(db.sql, sid)
      assert.equal(after.user, 'eve')
      assert.notEqual(after.text, before.text, 'jsonb spells it differently')
    }))

  test('rolling sends the cookie at every response, with a later expiry', () =>
    withApp({ rolling: true, cookie: { maxAge: HOUR } }, async (app) => {
      const ann = browser()
      await ann.get(app, '/login?user=ann')
      const { cookie } = await ann.get(app, '/me')
      const expires = new Date(/Expires=([^;]+)/.exec(cookie ?? '')?.[1] as string).getTime()
      assert.ok(Math.abs(expires - Date.now() - HOUR) < 5000)
      assert.ok(Math.abs((await row(db.sql, sidOf(cookie))).inSeconds - HOUR / 1000) < 5)
    }))

  test('without rolling the cookie is sent once', () =>
    withApp({ cookie: { maxAge: HOUR } }, async (app) => {
      const ann = browser()
      await ann.get(app, '/login?user=ann')
      assert.equal((await ann.get(app, '/me')).cookie, undefined)
    }))

  test('saveUninitialized decides whether a visitor who does nothing has a row', async () => {
    const count = async () => (await db.sql`select from session`).length
    const before = await count()
    await withApp({ saveUninitialized: false }, async (app) => {
      assert.equal((await browser().get(app, '/me')).cookie, undefined)
    })
    assert.equal(await count(), before)
    await withApp({ saveUninitialized: true }, async (app) => {
      assert.ok((await browser().get(app, '/me')).cookie)
    })
    assert.equal(await count(), before + 1)
  })

  test("unset: 'destroy' deletes the row of a session that the app unsets, 'keep' leaves it", async () => {
    for (const unset of ['destroy', 'keep'] as const) {
      await withApp({ unset }, async (app) => {
        const ann = browser()
        await ann.get(app, '/login?user=ann')
        await ann.get(app, '/unset')
        assert.equal((await row(db.sql, sidOf(ann.cookie))) === undefined, unset === 'destroy')
      })
    }
  })

  test('genid gives the sid of the row', () => {
    let number = 0
    return withApp({ genid: () => `${name} user {"${++number}"}` }, async (app) => {
      const ann = browser()
      const { body } = await ann.get(app, '/login?user=ann')
      assert.match(body.sid, /user \{"\d+"\}$/)
      assert.equal((await row(db.sql, body.sid)).user, 'ann')
      assert.equal((await ann.get(app, '/me')).body.user, 'ann')
    })
  })

  test('a cookie signed with an older secret is still good, one signed with another is not', async () => {
    const ann = browser()
    await withApp({ secret: 'old' }, async (app) => void (await ann.get(app, '/login?user=ann')))
    await withApp({ secret: ['new', 'old'] }, async (app) => {
      assert.equal((await ann.get(app, '/me')).body.user, 'ann')
    })
    await withApp({ secret: ['new'] }, async (app) => {
      assert.equal((await ann.get(app, '/me')).body.user, undefined)
    })
  })

  test('a cookie of a session that is not there gives an empty session with a new sid', () =>
    withApp({}, async (app) => {
      const ann = browser()
      await ann.get(app, '/login?user=ann')
      const sid = sidOf(ann.cookie)
      await db.sql`delete from session where sid = ${sid}`
      const { status, body } = await ann.get(app, '/put?a=1')
      assert.equal(status, 200)
      assert.equal(body.user, undefined)
      assert.notEqual(sidOf(ann.cookie), sid)
      assert.equal((await row(db.sql, sidOf(ann.cookie))).a, '1')
    }))

  test('an expired session is a visitor', () =>
    withApp({}, async (app) => {
      const ann = browser()
      await ann.get(app, '/login?user=ann')
      await db.sql`update session set expire = now() - interval '2 seconds' where sid = ${sidOf(ann.cookie)}`
      assert.equal((await ann.get(app, '/me')).body.user, undefined)
    }))

  test('two apps on one table, one of them on connect-pg-simple, share their users', async () => {
    const theirs = incumbent(db.url)
    const [one, two, three] = [
      await serve({ store, make }),
      await serve({ store, make }),
      await serve({ store: theirs.store, make }),
    ]
    const ann = browser()
    await ann.get(one, '/login?user=ann')
    assert.equal((await ann.get(two, '/me')).body.user, 'ann')
    assert.equal((await ann.get(three, '/me')).body.user, 'ann')
    await ann.get(three, '/put?a=1')
    assert.equal((await ann.get(one, '/me')).body.a, '1')
    const { cookie } = ann
    await ann.get(two, '/logout')
    for (const app of [one, two, three]) {
      ann.cookie = cookie
      assert.equal((await ann.get(app, '/me')).body.user, undefined)
    }
    await Promise.all([one.close(), two.close(), three.close(), theirs.close()])
  })

  test('a slow request does not undo the logout that happened meanwhile', async () => {
    let release = () => {}
    const app = await serve({
      store,
      make,
      routes: (routes) =>
        routes.get('/slow', async (req, res) => {
          await new Promise<void>((resolve) => {
            release = resolve
          })
          Object.assign(req.session, { late: true })
          res.json({})
        }),
    })
    const ann = browser()
    await ann.get(app, '/login?user=ann')
    const { cookie } = ann
    const slow = ann.get(app, '/slow')
    while (release.toString() === '() => {}') await new Promise((resume) => setTimeout(resume, 5))
    const other = browser()
    other.cookie = cookie
    await other.get(app, '/logout')
    release()
    assert.equal((await slow).status, 200)
    assert.equal(await row(db.sql, sidOf(cookie)), undefined)
    await app.close()
  })

  test('a request that outlives its session keeps it: touch and save come after the expiry', async () => {
    const app = await serve({
      store,
      make,
      session: { cookie: { maxAge: 1500 } },
      routes: (routes) =>
        routes.get('/long', async (req, res) => {
          await new Promise((resume) => setTimeout(resume, 3200))
          if (req.query['save']) Object.assign(req.session, { late: true })
          res.json({})
        }),
    })
    const [ann, bob] = [browser(), browser()]
    await Promise.all([ann.get(app, '/login?user=ann'), bob.get(app, '/login?user=bob')])
    await Promise.all([ann.get(app, '/long'), bob.get(app, '/long?save=1')])
    assert.equal((await ann.get(app, '/me')).body.user, 'ann')
    assert.equal((await bob.get(app, '/me')).body.late, true)
    await app.close()
  })

  test('an error of the database reaches the app as an error, without sid or data', async () => {
    const broken = new Store({ conString: db.url, tableName: 'nowhere', pruneSessionInterval: false })
    const app = await serve({ store: broken, make })
    const ann = browser()
    ann.cookie = undefined
    const { status, body } = await ann.get(app, '/login?user=ann')
    assert.equal(status, 500)
    assert.equal(body.code, '42P01')
    await app.close()
    await broken.close()
  })
}

const last = promises('express')
last('no connection is left behind', async () => {
  await store.close()
  await db.drop()
})
