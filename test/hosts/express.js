// The app of the hosts that are Express, or take its middleware: who is logged in, what was put, logging out.

import defaultSession from 'express-session'
import { slow } from './gate.js'

export const options = {
  secret: 'keyboard cat',
  resave: false,
  saveUninitialized: false,
  cookie: { maxAge: 3_600_000 },
}

/**
 * @param express a version of Express
 * @param {object} more what a host adds
 */
export function app(express, store, { session = defaultSession, cookie = options.cookie, before } = {}) {
  const app = express()
  app.use(session({ ...options, cookie, store }))
  before?.(app)
  app.post('/login', (req, res, next) => {
    req.session.regenerate((error) => {
      if (error) return next(error)
      req.session.user = req.query.user
      res.json({})
    })
  })
  routes(app)
  app.post('/logout', (req, res, next) => {
    req.session.destroy((error) => (error ? next(error) : res.json({})))
  })
  return failing(app)
}

/** Those that are the same however one logs in. */
export function routes(app, userOf = (req) => req.session.user) {
  app.get('/me', (req, res) => {
    const { cookie, ...data } = req.session
    if (userOf(req)) res.json({ ...data, user: userOf(req) })
    else res.status(401).json({})
  })
  app.post('/put', async (req, res, next) => {
    try {
      if (!userOf(req)) return void res.status(401).json({})
      await slow(req.query.slow)
      req.session[req.query.key] = req.query.value
      res.json({})
    } catch (error) {
      next(error)
    }
  })
}

/** The code of an error as its answer. A save fails after the app has answered: then the connection ends. */
export function failing(app) {
  app.use((error, _req, res, next) => {
    if (res.headersSent) return next(error)
    res.status(error.status ?? 500).json({ code: error.code })
  })
  return app
}
