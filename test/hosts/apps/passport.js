// Passport: its login and its logout regenerate the session by themselves.

import express from 'express'
import session from 'express-session'
import passport from 'passport'
import { failing, options, routes } from '../express.js'

class ByName extends passport.Strategy {
  authenticate(req) {
    this.success({ name: req.query.user })
  }
}
passport.use('name', new ByName())
passport.serializeUser((user, done) => done(null, user.name))
passport.deserializeUser((name, done) => done(null, { name }))

export default function make(store) {
  const app = express()
  app.use(session({ ...options, store }))
  app.use(passport.session())
  app.post('/login', passport.authenticate('name'), (_req, res) => res.json({}))
  routes(app, (req) => req.user?.name)
  app.post('/logout', (req, res, next) => {
    req.logout((error) => (error ? next(error) : res.json({})))
  })
  return failing(app)
}
