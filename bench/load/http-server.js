// Express 5 and express-session on one store, in a process of its own. The routes do what the usual ones
// do: one reads the session, the other writes it.

import { createHmac } from 'node:crypto'
import express from 'express'
import session from 'express-session'
import { open } from '../subjects/open.js'
import { answer } from './answer.js'
import { call, inHundreds, sessionOf } from './workloads.js'

const SECRET = 'bench'
const { subject, at } = JSON.parse(process.argv[2])
const { store, close } = await open[subject.kind](at, subject.options)

const app = express()
// The end of a run cuts requests off: that is no news.
app.set('env', 'test')
app.use(
  session({
    store,
    secret: SECRET,
    resave: false,
    saveUninitialized: false,
    cookie: { maxAge: 24 * 60 * 60 * 1000 },
  }),
)
app.get('/read', (req, res) => void res.send(`number ${req.session.number}`))
app.get('/write', (req, res) => {
  req.session.visits = (req.session.visits ?? 0) + 1
  res.send(`number ${req.session.number}`)
})

const server = await new Promise((resolve) => {
  const listening = app.listen(0, '127.0.0.1', () => resolve(listening))
})

/** The cookie of a session, as express-session signs it. */
function cookieOf(sid) {
  const mark = createHmac('sha256', SECRET).update(sid).digest('base64').replace(/=+$/, '')
  return `connect.sid=${encodeURIComponent(`s:${sid}.${mark}`)}`
}

answer({
  /** Stores so many users, and gives their cookies. */
  async users({ count, bytes }) {
    const sids = Array.from({ length: count }, (_, number) => `http-${number}`)
    await inHundreds(count, (number) => call(store, 'set', sids[number], sessionOf(number, bytes)))
    const cookies = sids.map(cookieOf)
    return { url: `http://127.0.0.1:${server.address().port}`, cookies }
  },
  async close() {
    server.closeAllConnections()
    server.close()
    await close()
  },
})
