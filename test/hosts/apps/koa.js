// koa-session takes any store of three methods. What it stores is without a cookie, and it copies what it
// gets: the adapter adds the one, and puts what is to be saved into the very object that was loaded.

import { randomUUID } from 'node:crypto'
import Koa from 'koa'
import { createSession } from 'koa-session'
import { slow } from '../gate.js'

const loaded = new WeakMap()

const adapt = (store) => ({
  async get(sid, _maxAge, { ctx }) {
    const session = await store.get(sid)
    if (!session) return undefined
    loaded.set(ctx, { sid, session })
    const { cookie, ...data } = session
    return data
  },
  async set(sid, data, maxAge, { ctx }) {
    const before = loaded.get(ctx)
    const session = before?.sid === sid ? before.session : {}
    for (const key of Object.keys(session)) delete session[key]
    const cookie = { originalMaxAge: maxAge, expires: new Date(Date.now() + maxAge) }
    await store.set(sid, Object.assign(session, data, { cookie }))
  },
  destroy: (sid) => store.destroy(sid),
})

export default function make(store) {
  const app = new Koa()
  app.keys = ['keyboard cat']
  app.silent = true
  app.use(async (ctx, next) => {
    try {
      await next()
    } catch (error) {
      ctx.status = 500
      ctx.body = { code: error.code }
    }
  })
  app.use(
    createSession({ key: 'connect.sid', maxAge: 3_600_000, store: adapt(store), genid: randomUUID }, app),
  )
  app.use(async (ctx) => {
    const { session, path, query } = ctx
    ctx.body = {}
    if (path === '/login') {
      await session.regenerate()
      session.user = query.user
    } else if (!session.user) {
      ctx.status = 401
    } else if (path === '/put') {
      await slow(query.slow)
      session[query.key] = query.value
    } else if (path === '/logout') {
      ctx.session = null
    } else {
      ctx.body = session.toJSON()
    }
  })
  return app.callback()
}
