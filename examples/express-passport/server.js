// Express with Passport: log in by name and password, with sessions in PostgreSQL.
//
// Run it:  npm install && DATABASE_URL=postgres://user@localhost:5432/app npm start
// Try it:  curl -c jar -d 'username=ann&password=secret' localhost:3000/login
//          curl -b jar localhost:3000/me
//          curl -b jar -X POST localhost:3000/logout

import { scryptSync, timingSafeEqual } from 'node:crypto'
import connectPostgresSimple from 'connect-postgres-simple'
import express from 'express'
import session from 'express-session'
import passport from 'passport'
import { Strategy } from 'passport-local'
import postgres from 'postgres'

const { DATABASE_URL, SESSION_SECRET = 'change me', PORT = '3000' } = process.env

const sql = postgres(DATABASE_URL)
const PostgresStore = connectPostgresSimple(session)
const store = new PostgresStore({ postgres: sql, createTableIfMissing: true })

// Stands for a table of users. The password of ann is `secret`.
const users = new Map([['ann', { id: 'ann', salt: 'salt', hash: scryptSync('secret', 'salt', 32) }]])

passport.use(
  new Strategy((username, password, done) => {
    const user = users.get(username)
    const isRight = user && timingSafeEqual(user.hash, scryptSync(password, user.salt, 32))
    done(null, isRight ? user : false)
  }),
)
// The session holds the id of the user and nothing else of it.
passport.serializeUser((user, done) => done(null, user.id))
passport.deserializeUser((id, done) => done(null, users.get(id) ?? false))

const app = express()
app.use(express.urlencoded({ extended: false }))
app.use(
  session({
    store,
    secret: SESSION_SECRET,
    // The store needs no save of what did not change: a touch prolongs it.
    resave: false,
    // Nobody gets a row before there is something to remember.
    saveUninitialized: false,
    // Behind a proxy that speaks HTTPS, set `app.set('trust proxy', 1)` as well.
    cookie: { maxAge: 24 * 60 * 60 * 1000, sameSite: 'lax', secure: process.env.NODE_ENV === 'production' },
  }),
)
app.use(passport.session())

// Passport gives the session a new id here, so that an id planted by somebody else is worth nothing.
app.post('/login', passport.authenticate('local'), (req, res) => {
  res.json({ user: req.user.id })
})

app.get('/me', (req, res) => {
  if (!req.user) return res.sendStatus(401)
  req.session.views = (req.session.views ?? 0) + 1
  res.json({ user: req.user.id, views: req.session.views })
})

// A slow request. If its user logs out meanwhile, its save at the end does not bring the session back.
app.get('/report', async (req, res) => {
  if (!req.user) return res.sendStatus(401)
  await new Promise((resume) => setTimeout(resume, 1000))
  req.session.reports = (req.session.reports ?? 0) + 1
  res.json({ reports: req.session.reports })
})

// `req.logout()` would end the session too, and begin another one at once, which express-session stores:
// each logout would leave an empty session behind. This leaves nothing.
app.post('/logout', (req, res, next) => {
  req.session.destroy((error) => (error ? next(error) : res.sendStatus(204)))
})

const server = app.listen(Number(PORT), 'localhost', () => {
  console.log(`Listening on http://localhost:${server.address().port}`)
})

process.once('SIGTERM', () => {
  server.close(async () => {
    await store.close()
    await sql.end()
  })
})
