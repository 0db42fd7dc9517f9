// A small Express service that knows who is logged in, on whatever store it is given.

import express from 'express'
import session from 'express-session'

/**
 * @param {{ name: string, store: session.Store, port: number, other?: string }} options
 * @returns its url, a place for that of the other service, and close()
 */
export async function service({ name, store, port, other }) {
  const running = { other }
  const app = express()
  app.use(express.urlencoded({ extended: false }))
  app.use(
    session({
      store,
      // The same at both services: a cookie does not care for the port, so both read it.
      name: 'demo.sid',
      secret: 'not a secret, this is a demo',
      resave: false,
      saveUninitialized: false,
      cookie: { maxAge: 60 * 60 * 1000 },
    }),
  )

  app.get('/', (req, res) => {
    if (req.session.user) req.session.views = (req.session.views ?? 0) + 1
    res.send(page(name, req.session, running.other))
  })

  app.post('/login', (req, res, next) => {
    const user = String(req.body.user || 'somebody')
    req.session.regenerate((error) => {
      if (error) return next(error)
      req.session.user = user
      // Redirected only when it is stored, so that the next page knows.
      req.session.save((failed) => (failed ? next(failed) : res.redirect('/')))
    })
  })

  app.post('/logout', (req, res, next) => {
    req.session.destroy((error) => (error ? next(error) : res.redirect('/')))
  })

  const server = await new Promise((resolve, reject) => {
    const listening = app.listen(port, '127.0.0.1', (error) => (error ? reject(error) : resolve(listening)))
  })
  running.url = `http://127.0.0.1:${server.address().port}`
  running.close = () =>
    new Promise((resolve) => {
      server.close(resolve)
      server.closeAllConnections()
    })
  return running
}

const page = (name, /** @type {session.SessionData} */ { user, views }, other) => `<!doctype html>
<meta charset="utf-8">
<title>${name}</title>
<h1>${name}</h1>
${
  user
    ? `<p>You are <b>${escaped(user)}</b>, and have looked ${views} times, here or there.</p>
<form method="post" action="/logout"><button>Log out</button></form>`
    : `<p>Nobody is logged in.</p>
<form method="post" action="/login"><input name="user" placeholder="Your name"> <button>Log in</button></form>`
}
<p><a href="${other}">The other service</a></p>
`

const escaped = (text) => text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`)
