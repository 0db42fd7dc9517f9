// A real Express app in front of a store, on a real port, and a browser that keeps cookies. Knows only the
// contract.

import { createRequire } from 'node:module'
import type { AddressInfo, Server } from 'node:net'
import express5 from 'express'
import session from 'express-session'

const require = createRequire(import.meta.url)
export const versions: Record<string, () => express5.Express> = {
  'Express 4': require('express4'),
  'Express 5': express5,
}

export interface App {
  readonly url: string
  close(): Promise<void>
}

export interface AppOptions {
  store: session.Store
  make?: () => express5.Express
  session?: Partial<session.SessionOptions>
  routes?: (app: express5.Express) => void
}

/** Routes: /login?user= /me /put?key=value /logout /regenerate /reload /save /unset /count */
export async function serve({ store, make = express5, session: options, routes }: AppOptions): Promise<App> {
  const app = make()
  app.use(session({ store, secret: 'keyboard cat', resave: false, saveUninitialized: false, ...options }))
  app.get('/login', (req, res, next) => {
    req.session.regenerate((error) => {
      if (error) return next(error)
      Object.assign(req.session, { user: req.query['user'] })
      req.session.save((failed) => (failed ? next(failed) : res.json({ sid: req.sessionID })))
    })
  })
  app.get('/me', (req, res) => void res.json({ ...req.session, sid: req.sessionID }))
  app.get('/put', (req, res) => void res.json(Object.assign(req.session, req.query)))
  app.get('/logout', (req, res, next) => {
    req.session.destroy((error) => (error ? next(error) : res.json({})))
  })
  app.get('/regenerate', (req, res, next) => {
    const before = req.sessionID
    req.session.regenerate((error) => (error ? next(error) : res.json({ before, after: req.sessionID })))
  })
  app.get('/reload', (req, res, next) => {
    Object.assign(req.session, { forgotten: true })
    req.session.reload((error) => (error ? next(error) : res.json(req.session)))
  })
  app.get('/unset', (req, res) => {
    ;(req as { session?: unknown }).session = undefined
    res.json({})
  })
  routes?.(app)
  app.use(((error, _req, res, _next) => {
    if (!res.headersSent) res.status(500).json({ code: error.code, message: error.message })
  }) as express5.ErrorRequestHandler)
  const server: Server = await new Promise((resolve) => {
    const listening = app.listen(0, '127.0.0.1', () => resolve(listening))
  })
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => new Promise((resolve) => void server.close(() => resolve())),
  }
}

export interface Answer {
  status: number
  body: any
  cookie: string | undefined
}

/** Sends and keeps the cookie of one user, for any number of apps. */
export function browser(name = 'connect.sid') {
  let jar: string | undefined
  return {
    get cookie(): string | undefined {
      return jar
    },
    set cookie(value: string | undefined) {
      jar = value
    },
    async get(app: App, path: string): Promise<Answer> {
      const response = await fetch(app.url + path, {
        headers: { connection: 'close', ...(jar && { cookie: jar }) },
      })
      const cookie = response.headers.getSetCookie().find((each) => each.startsWith(`${name}=`))
      if (cookie) jar = cookie.split(';')[0]
      const text = await response.text()
      return { status: response.status, body: text ? JSON.parse(text) : undefined, cookie }
    },
  }
}
