// TypeScript as ES modules: Express with typed sessions in PostgreSQL.
//
// Run it:  npm install && npm run build && DATABASE_URL=postgres://user@localhost:5432/app npm start
// Try it:  curl -c jar -d 'username=ann' localhost:3000/login
//          curl -b jar localhost:3000/me
//          curl -b jar -X POST localhost:3000/logout

import type { AddressInfo } from 'node:net'
import connectPostgresSimple, { type Options, type PostgresStore } from 'connect-postgres-simple'
import express, { type NextFunction, type Request, type Response } from 'express'
import session from 'express-session'
import postgres from 'postgres'

// What the app keeps in its sessions. The compiler knows it wherever a session is used.
declare module 'express-session' {
  interface SessionData {
    user: string
    views: number
    reports: number
  }
}

const { DATABASE_URL, SESSION_SECRET = 'change me', PORT = '3000' } = process.env

const sql = DATABASE_URL ? postgres(DATABASE_URL) : postgres()
const options: Options = { postgres: sql, createTableIfMissing: true }
const store: PostgresStore = new (connectPostgresSimple(session))(options)

const app = express()
app.use(express.urlencoded({ extended: false }))
app.use(
  session({
    store,
    secret: SESSION_SECRET,
    resave: false,
    saveUninitialized: false,
    cookie: {
      maxAge: 24 * 60 * 60 * 1000,
      sameSite: 'lax',
      secure: process.env['NODE_ENV'] === 'production',
    },
  }),
)

app.post('/login', (req, res, next) => {
  // Check a password here.
  const user = String(req.body.username)
  // A new id, so that one planted by somebody else is worth nothing.
  req.session.regenerate((error) => {
    if (error) return next(error)
    req.session.user = user
    res.json({ user })
  })
})

app.get('/me', requireUser, (req, res) => {
  req.session.views = (req.session.views ?? 0) + 1
  res.json({ user: req.session.user, views: req.session.views })
})

// A slow request. If its user logs out meanwhile, its save at the end does not bring the session back.
app.get('/report', requireUser, async (req, res) => {
  await new Promise((resume) => setTimeout(resume, 1000))
  req.session.reports = (req.session.reports ?? 0) + 1
  res.json({ reports: req.session.reports })
})

app.post('/logout', (req, res, next) => {
  req.session.destroy((error) => (error ? next(error) : res.sendStatus(204)))
})

function requireUser(req: Request, res: Response, next: NextFunction): void {
  if (req.session.user) next()
  else res.sendStatus(401)
}

const server = app.listen(Number(PORT), 'localhost', () => {
  console.log(`Listening on http://localhost:${(server.address() as AddressInfo).port}`)
})

process.once('SIGTERM', () => {
  server.close(async () => {
    await store.close()
    await sql.end()
  })
})
