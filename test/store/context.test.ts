// Each call goes on in the async context in which it was made, and what belongs to no request runs in none.

import assert from 'node:assert/strict'
import { AsyncLocalStorage } from 'node:async_hooks'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import postgres from 'postgres'
import type { PostgresStore } from '../../src/index.ts'
import type { Options } from '../../src/options.ts'
import { browser, serve, versions } from '../support/app.ts'
import { database, tableSql } from '../support/database.ts'
import { script } from '../support/processes.ts'
import { promises } from '../support/promise.ts'
import { putRow, sessionOf, withStore } from '../support/store.ts'

const db = await database('context')
await db.sql.unsafe(tableSql)
const test = promises('context')
const at = { conString: db.url }
const requests = new AsyncLocalStorage<string>()
const USERS = 32

/** What each of many requests at once sees as its own after each verb: anything but itself is wrong. */
async function strangers(
  store: PostgresStore,
  how: 'callback' | 'promise',
  seconds?: number,
): Promise<string[]> {
  const wrong: string[] = []
  const request = (i: number) =>
    requests.run(`user-${i}`, async () => {
      const mine = (verb: string) => {
        if (requests.getStore() !== `user-${i}`)
          wrong.push(`${verb}: ${requests.getStore()} instead of user-${i}`)
      }
      const call = async (verb: string, start: (callback?: any) => any) => {
        if (how === 'callback') {
          await new Promise<void>((resolve) => {
            start(() => {
              mine(verb)
              resolve()
            })
          })
        } else {
          const result = start()
          await result.then(
            () => mine(verb),
            () => mine(`${verb} failing`),
          )
          await start().catch(() => {})
        }
        mine(`after ${verb}`)
      }
      const sid = `shared-${i % 8}`
      for (let round = 0; round < 3; round++) {
        await call('set', (cb) => store.set(sid, sessionOf({ i }, seconds), cb))
        await call('get', (cb) => store.get(sid, cb))
        await call('get none', (cb) => store.get(`none-${i}`, cb))
        await call('touch', (cb) => store.touch(sid, sessionOf({}, 1000 + i * 100), cb))
        await call('destroy', (cb) => store.destroy(`gone-${i}`, cb))
        await call('length', (cb) => store.length(cb))
        await call('ids', (cb) => store.ids(cb))
        await call('all', (cb) => store.all(cb))
        await call('prune', (cb) => store.pruneSessions(cb))
        if (i === 0) await call('clear', (cb) => store.clear(cb))
        for await (const _ of store.entries()) mine('entries')
      }
    })
  await Promise.all(Array.from({ length: USERS }, (_, i) => request(i)))
  return wrong
}

for (const how of ['callback', 'promise'] as const) {
  test(`every verb goes on in the context of its call, by ${how}`, () =>
    withStore(at, async (store) => assert.deepEqual(await strangers(store, how), [])))

  test(`the same with isolate: false, by ${how}`, async () => {
    const sql = postgres(db.url, { max: 3, onnotice() {} })
    try {
      await withStore({ postgres: sql, isolate: false }, async (store) =>
        assert.deepEqual(await strangers(store, how), []),
      )
    } finally {
      await sql.end()
    }
  })

  test(`the same when it fails, by ${how}`, async () => {
    const wrong: string[] = []
    await withStore({ ...at, tableName: 'absent' }, async (store) => {
      const fails = (i: number, verb: string, start: (callback?: any) => any) =>
        requests.run(`user-${i}`, async () => {
          const told = (error: any) => {
            if (error.code !== '42P01') wrong.push(String(error))
            if (requests.getStore() !== `user-${i}`) wrong.push(`${verb}: ${requests.getStore()}`)
          }
          if (how === 'promise') await start().then(() => wrong.push('succeeded'), told)
          else
            await new Promise<void>((resolve) =>
              start((error: any) => {
                told(error)
                resolve()
              }),
            )
        })
      await Promise.all(
        Array.from({ length: USERS }, (_, i) => [
          fails(i, 'get', (cb) => store.get('a', cb)),
          fails(i, 'set', (cb) => store.set('a', sessionOf(), cb)),
          fails(i, 'touch', (cb) => store.touch('a', sessionOf(), cb)),
          fails(i, 'destroy', (cb) => store.destroy('a', cb)),
        ]).flat(),
      )
    })
    assert.deepEqual(wrong, [])
  })
}

for (const [name, make] of Object.entries(versions)) {
  test(`${name}: a request keeps its context through login, reload, regenerate, save and logout`, () =>
    withStore(at, async (store) => {
      const wrong: string[] = []
      const app = await serve({
        store,
        make: () => {
          const made = make()
          made.use((req, _res, next) => {
            requests.run(String(req.query['user']), next)
          })
          return made
        },
        routes(routed) {
          const mine = (req: any, where: string) => {
            if (requests.getStore() !== req.query.user) wrong.push(`${where}: ${requests.getStore()}`)
          }
          routed.get('/all', (req, res, next) => {
            mine(req, 'after the session is loaded')
            req.session.reload((failed) => {
              mine(req, 'reload')
              if (failed) return next(failed)
              req.session.save((error) => {
                mine(req, 'save')
                if (error) return next(error)
                req.session.touch()
                req.session.regenerate((last) => {
                  mine(req, 'regenerate')
                  if (last) next(last)
                  else res.json({ sid: req.sessionID })
                })
              })
            })
          })
        },
      })
      try {
        await Promise.all(
          Array.from({ length: USERS }, async (_, i) => {
            const user = browser()
            assert.equal((await user.get(app, `/login?user=u${i}`)).status, 200)
            for (let round = 0; round < 3; round++) {
              assert.equal((await user.get(app, `/all?user=u${i}`)).status, 200)
              assert.equal((await user.get(app, `/login?user=u${i}`)).status, 200)
            }
            assert.equal((await user.get(app, `/logout?user=u${i}`)).status, 200)
          }),
        )
        assert.deepEqual(wrong, [])
      } finally {
        await app.close()
      }
    }))
}

test('a serializer and a ttl function run in the context of the call they work for', () => {
  const wrong: string[] = []
  const mine = (where: string, session: any) => {
    if (requests.getStore() !== session.owner) wrong.push(`${where}: ${requests.getStore()}`)
  }
  const options: Options = {
    ...at,
    ttl: (session) => {
      mine('ttl', session)
      return 60
    },
    serializer: {
      stringify(session) {
        mine('stringify', session)
        return JSON.stringify(session)
      },
      parse(text) {
        const session = JSON.parse(text)
        mine('parse', session)
        return session
      },
    },
  }
  return withStore(options, async (store) => {
    await Promise.all(
      Array.from({ length: USERS }, (_, i) =>
        requests.run(`owner-${i}`, async () => {
          const session = { cookie: {}, owner: `owner-${i}` } as any
          await store.set(`own-${i}`, session)
          await new Promise<void>((resolve) => store.get(`own-${i}`, () => resolve()))
        }),
      ),
    )
    assert.deepEqual(wrong, [])
  })
})

test('a merge runs the serializer in the context of its own save', async () => {
  const wrong: string[] = []
  let merges = 0
  const options: Options = {
    ...at,
    onConflict: 'merge',
    serializer: {
      stringify: (session) => JSON.stringify(session),
      parse(text) {
        const session = JSON.parse(text)
        merges++
        if (requests.getStore() !== session.owner) wrong.push(`${requests.getStore()}`)
        return session
      },
    },
  }
  await withStore(options, async (store) => {
    await Promise.all(
      Array.from({ length: USERS }, (_, i) =>
        requests.run(`owner-${i}`, async () => {
          const sid = `merged-${i}`
          await putRow(db.sql, sid, { owner: `owner-${i}` })
          const mine: any = await store.get(sid)
          await db.sql`
            update session set sess = (sess::jsonb || '{"theirs":1}')::json where sid = ${sid}`
          await store.set(sid, Object.assign(mine, { mine: 1 }))
          const { theirs, mine: saved }: any = await store.get(sid)
          assert.deepEqual([theirs, saved], [1, 1])
        }),
      ),
    )
  })
  assert.equal(merges, USERS * 5, 'two gets, and three texts for each merge')
  assert.deepEqual(wrong, [])
})

test('what runs in the background runs in no request, and keeps none alive', async () => {
  setFlagsFromString('--expose-gc')
  const gc = runInNewContext('gc') as () => void
  const logged: unknown[] = []
  const contexts = new AsyncLocalStorage<object>()
  const seen: unknown[] = []
  const sql = postgres(db.url, { max: 1, onnotice() {} })
  const options: Options = {
    postgres: sql,
    tableName: 'absent',
    pruneSessionInterval: 0.05,
    pruneSessionRandomizedInterval: (ms) => {
      seen.push(contexts.getStore())
      return ms
    },
    errorLog: () => {
      logged.push(contexts.getStore())
    },
  }
  await withStore(options, async (store) => {
    let request: WeakRef<object> | undefined
    await (async () => {
      let large: object | undefined = { text: 'x'.repeat(1000) }
      request = new WeakRef(large)
      await contexts.run(large, async () => {
        await store.get('a').catch(() => {})
        await store.set('a', sessionOf()).catch(() => {})
        // Nobody listens: it goes to errorLog.
        void store.destroy('a')
        await store.length().catch(() => {})
      })
      large = undefined
    })()
    while (logged.length < 4) await new Promise((resume) => setTimeout(resume, 10))
    for (let i = 0; i < 5; i++) {
      await new Promise((resume) => setTimeout(resume, 10))
      gc()
    }
    assert.ok(logged.every((each) => each === undefined))
    assert.ok(seen.length > 1 && seen.every((each) => each === undefined))
    assert.ok(request?.deref() === undefined, 'the store keeps a request alive')
  })
  await sql.end()
})

test('a store that is loaded in the middle of a request runs in the background of none', async () => {
  const { output } = await script('loaded-late', { URL: db.url }).ended()
  assert.match(output, /in the request: second/)
  assert.match(output, /in the background: undefined undefined/)
  assert.doesNotMatch(output, /background: first/)
})

test('an errorLog that throws or rejects ends nothing', async () => {
  for (const errorLog of [
    () => {
      throw new Error('thrown')
    },
    () => Promise.reject(new Error('rejected')),
  ]) {
    let told = 0
    const options: Options = {
      ...at,
      tableName: 'absent',
      pruneSessionInterval: 0.02,
      errorLog: () => {
        told++
        return errorLog() as any
      },
    }
    await withStore(options, async (store) => {
      await store.get('a').catch(() => {})
      while (told < 3) await new Promise((resume) => setTimeout(resume, 5))
    })
  }
  await putRow(db.sql, 'still', {})
  await withStore(at, async (store) => assert.ok(await store.get('still')))
})

test('no connection is left behind', () => db.drop())
