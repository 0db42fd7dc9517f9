// The app as an Express app: the page, both services, the tries, the events, the code. Must not know how a
// try or a store works.

import { fileURLToPath } from 'node:url'
import express from 'express'
import { codeLink, codePage } from './code.js'
import { trusted } from './html.js'
import { page } from './page.js'
import { service } from './service.js'
import { PATHS } from './stage.js'
import { run, tries } from './tries.js'

const SAYS = {
  before: 'This service has not moved yet.',
  after: 'This service has moved. Below, its store is “this store”.',
}

const TABLE_LINK = codeLink('the trigger', 'demo/watch.js', 'create function')

/** @param {import('./stage.js').Stage} stage */
export function demoApp(stage) {
  const app = express()
  app.disable('x-powered-by')
  app.use(guard)
  app.use(express.static(fileURLToPath(new URL('public', import.meta.url)), { cacheControl: false }))

  for (const [kind, id] of Object.entries(PATHS)) {
    const everywhere = kind === 'before' ? undefined : (user) => stage.stores[kind].destroyByUser(user)
    app.use(`/${id}`, service({ store: stage.stores[kind], id, everywhere }))
  }

  app.get('/', async (req, res) => {
    const [before, after] = await Promise.all(
      ['before', 'after'].map(async (kind) => ({
        id: PATHS[kind],
        name: PATHS[kind],
        says: SAYS[kind],
        link: codeLink('its store', 'demo/stores.js', 'export function openStore'),
        body: await askService(`${stage.url(kind)}/panel`, req, res),
      })),
    )
    res.send(
      page({
        panels: [before, after],
        tries,
        rows: stage.rows,
        own: ownId(req),
        live: stage.live,
        link: TABLE_LINK,
      }),
    )
  })

  app.get('/events', stage.live.connect)

  app.post('/try/:id', async (req, res, next) => {
    const found = tries.find(({ id }) => id === req.params.id)
    if (!found) return next()
    await run(found, stage)
    // Without JavaScript the browser goes back to the page, which shows what was the outcome.
    if (req.get('sec-fetch-mode') === 'navigate') res.redirect(303, `/#${found.id}`)
    else res.sendStatus(204)
  })

  app.get('/code/*name', (req, res, next) => {
    const text = codePage([req.params['name']].flat().join('/'))
    if (text === undefined) next()
    else res.send(text)
  })
  return app
}

/** Nothing is loaded from elsewhere or kept, and no other site can press a button. */
function guard(req, res, next) {
  res.set({
    'content-security-policy':
      "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    'cache-control': 'no-store',
    'referrer-policy': 'same-origin',
  })
  const from = req.get('sec-fetch-site') ?? 'none'
  if (req.method === 'POST' && from !== 'same-origin' && from !== 'none') return res.sendStatus(403)
  next()
}

/** Asks a service in the name of whoever looks at the page, and hands on the cookie that it sets. */
async function askService(url, req, res) {
  const response = await fetch(url, {
    headers: { cookie: req.get('cookie') ?? '', 'x-forwarded-proto': req.get('x-forwarded-proto') ?? 'http' },
  })
  for (const cookie of response.headers.getSetCookie()) res.append('set-cookie', cookie)
  return trusted(await response.text())
}

/** The id of the row of whoever looks, as the table shows it. */
function ownId(req) {
  return /(?:^|; )demo\.sid=s%3A([\w-]{8})/.exec(req.get('cookie') ?? '')?.[1] ?? ''
}
