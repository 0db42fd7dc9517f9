// A small Express service that knows who is logged in, on whatever store it is given. Its routes are
// relative, as it may be mounted anywhere, and its forms lead back to the page that shows it.

import express from 'express'
import session from 'express-session'
import { html } from './html.js'

/** What a slow request may change. */
const KEYS = ['cart', 'theme', 'report']

/**
 * @param {{ store: session.Store, id?: string, everywhere?: (user: string) => Promise<number> }} options
 *   `id` is where the page shows it, `everywhere` ends all sessions of a user
 */
export function service({ store, id = '', everywhere }) {
  const app = express()
  const form = express.urlencoded({ extended: false })
  const back = (res) => res.redirect(303, `/#${id}`)
  // X-Forwarded-Proto counts if it comes from a proxy on this machine.
  app.set('trust proxy', 'loopback')
  app.use(
    session({
      store,
      // The same at all services, so who is logged in at one is logged in at the other.
      name: 'demo.sid',
      secret: 'not a secret, this is a demo',
      resave: false,
      saveUninitialized: false,
      rolling: true,
      cookie: { maxAge: 30 * 60 * 1000, httpOnly: true, sameSite: 'lax', secure: 'auto' },
    }),
  )

  app.get('/panel', (req, res) => void res.send(String(panel(req.baseUrl, id, req.session, everywhere))))

  app.get(
    '/me',
    ({ session: { user, count, cart, theme } }, res) => void res.json({ user, count, cart, theme }),
  )

  app.post('/login', form, (req, res, next) => {
    const user = String(req.body?.user || 'Ann').slice(0, 20)
    // A new sid at the login: nobody who knew the one before is logged in too.
    req.session.regenerate((error) => {
      if (error) return next(error)
      req.session.user = user
      // Redirected only when it is stored, so that the next page knows.
      req.session.save((failed) => (failed ? next(failed) : back(res)))
    })
  })

  app.post('/count', (req, res, next) => {
    if (!req.session.user) return back(res)
    req.session.count = (req.session.count ?? 0) + 1
    req.session.save((error) => (error ? next(error) : back(res)))
  })

  app.post('/logout', (req, res, next) => {
    req.session.destroy((error) => (error ? next(error) : back(res)))
  })

  app.post('/everywhere', async (req, res) => {
    const { user } = req.session
    if (!everywhere || !user) return back(res)
    await everywhere(user)
    // Its row is gone already. This also keeps express-session from touching it at the end of this request.
    req.session.destroy(() => back(res))
  })

  // A slow request: an upload. The session was loaded at its beginning, and is changed and saved at its end.
  app.post('/upload', async (req, res) => {
    res.write('at work\n')
    let text = ''
    for await (const chunk of req) text += chunk
    for (const [key, value] of new URLSearchParams(text)) if (KEYS.includes(key)) req.session[key] = value
    res.end('done\n')
  })

  return app
}

const panel = (base, id, /** @type {session.SessionData} */ { user, count }, everywhere) =>
  user === undefined
    ? html`<p>Nobody is logged in.</p>
<form method="post" action="${base}/login">
<label for="${id}-user">Name</label>
<input id="${id}-user" name="user" value="Ann" maxlength="20" autocomplete="off" required>
<button id="${id}-login">Log in</button>
</form>`
    : html`<p>Logged in as <strong>${user}</strong>. Counted to <strong>${count ?? 0}</strong>.</p>
${button(base, id, 'count', 'Count on')}
${button(base, id, 'logout', 'Log out')}
${everywhere && button(base, id, 'everywhere', 'Log out everywhere')}`

const button = (base, id, path, words) =>
  html`<form method="post" action="${base}/${path}"><button id="${id}-${path}">${words}</button></form> `
