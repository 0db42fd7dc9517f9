// What only a browser shows of sessions: cookies, tabs, windows, the back button, other sites. On the server
// of the tests, which the demo is given as DATABASE_URL.

import assert from 'node:assert/strict'
import { createServer, type RequestListener, request } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo, Server } from 'node:net'
import type { BrowserContext } from 'playwright-core'
import { certificate } from '../support/certificate.ts'
import { AFTER, BEFORE, demoInBrowser, leads, logIn, shows } from './demo.ts'

const { test, ends, open, url, sql, pid } = await demoInBrowser('sessions in a browser', {
  database: 'demo_sessions',
})
const table = `connect_postgres_simple_demo_${pid}.session`

const cookieOf = async (context: BrowserContext) => {
  const cookie = (await context.cookies()).find(({ name }) => name === 'demo.sid')
  assert.ok(cookie, 'there is a cookie')
  return cookie
}

async function listening(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return (server.address() as AddressInfo).port
}

test('scripts of the page cannot read the cookie: it is httpOnly', async ({ page, context }) => {
  await logIn(page, 'Ann')
  assert.equal((await cookieOf(context)).httpOnly, true)
  assert.equal(await page.evaluate('document.cookie'), '')
})

test(
  'behind a proxy that speaks TLS the cookie is secure, and without one it is not',
  async ({ page, context }) => {
    await logIn(page, 'Ann')
    assert.equal((await cookieOf(context)).secure, false)

    const forward: RequestListener = (req, res) => {
      const headers = { ...req.headers, 'x-forwarded-proto': 'https' }
      const onward = request(
        new URL(req.url ?? '/', url),
        { method: req.method, headers } as object,
        (answer) => {
          res.writeHead(answer.statusCode ?? 502, answer.headers)
          answer.pipe(res)
        },
      )
      res.on('close', () => onward.destroy())
      req.pipe(onward.on('error', () => res.destroy()))
    }
    const proxy = createTlsServer(await certificate(), forward)
    try {
      const port = await listening(proxy)
      await context.clearCookies()
      await page.goto(`https://127.0.0.1:${port}/`)
      await logIn(page, 'Tina', AFTER)
      await shows(page, { [BEFORE]: 'Logged in as Tina', '#rows tr.own': 'Tina' })
      assert.equal((await cookieOf(context)).secure, true)
    } finally {
      proxy.close()
      proxy.closeAllConnections()
    }
  },
  { ignoreHTTPSErrors: true },
)

test('another site can lead to the page, but not act there: the cookie is sameSite', async ({
  page,
  context,
}) => {
  await logIn(page, 'Ann')
  assert.equal((await cookieOf(context)).sameSite, 'Lax')
  const site = createServer((_req, res) => {
    res.setHeader('content-type', 'text/html')
    res.end(`<img src="${url}/connect-pg-simple/me" alt=""><a href="${url}/">link</a>
      <form method="post" action="${url}/connect-pg-simple/count"><button>post</button></form>`)
  })
  try {
    // For a browser, localhost is another site than 127.0.0.1, where the demo is.
    const elsewhere = `http://localhost:${await listening(site)}/`
    const [image] = await Promise.all([page.waitForRequest(/\/me$/), page.goto(elsewhere)])
    assert.equal((await image.allHeaders())['cookie'], undefined)
    const [post] = await Promise.all([page.waitForResponse(/\/count$/), page.click('button')])
    assert.equal((await post.request().allHeaders())['cookie'], undefined)
    assert.equal(post.status(), 403)
    await page.goto(elsewhere)
    await page.click('a')
    await shows(page, { [BEFORE]: 'Logged in as Ann. Counted to 0.' })
  } finally {
    site.close()
    site.closeAllConnections()
  }
})

test('every request moves the expiry of the cookie and of the row on: it is rolling', async ({
  page,
  context,
}) => {
  await logIn(page, 'Rolf')
  const { expires, value } = await cookieOf(context)
  const expiry = async () => {
    const [row] = await sql.unsafe(`select expire from ${table} where sess ->> 'user' = 'Rolf'`)
    return Number(row?.['expire'])
  }
  const before = await expiry()
  // It has seconds, so it moves when the next second has begun.
  while ((await cookieOf(context)).expires <= expires || (await expiry()) <= before) await page.reload()
  assert.equal((await cookieOf(context)).value, value)
})

test('a login gives a new sid, so a planted one is worth nothing', async ({ page, context }) => {
  const mallory = await open()
  await logIn(mallory.page, 'Mallory')
  const planted = await cookieOf(mallory.context)
  // The victim has the form before them when the cookie is planted.
  await context.addCookies([planted])
  await logIn(page, 'Ann')
  assert.notEqual((await cookieOf(context)).value, planted.value)
  await mallory.page.reload()
  await shows(mallory.page, { [BEFORE]: 'Nobody is logged in', [AFTER]: 'Nobody is logged in' })
  await mallory.context.close()
})

test('the back button after a logout does not bring back what only users see', async ({ page }) => {
  await logIn(page, 'Ann')
  // An address that is never asked for after the logout: what the browser kept of it would still have the user.
  await page.goto(`${url}/?before`)
  await shows(page, { [AFTER]: 'Logged in as Ann' })
  await leads(page, () => page.click(`${AFTER}-logout`))
  await shows(page, { [AFTER]: 'Nobody is logged in' })
  await page.goBack()
  assert.match(page.url(), /before$/)
  await shows(page, { [BEFORE]: 'Nobody is logged in', [AFTER]: 'Nobody is logged in' })
  assert.equal(await page.getByText('Logged in as').count(), 0)
})

test('two tabs share the session: what one does is seen by the other without a reload', async ({
  page,
  context,
}) => {
  await logIn(page, 'Ann')
  const other = await context.newPage()
  await other.goto(url)
  await shows(other, { [BEFORE]: 'Counted to 0' })
  await page.click(`${AFTER}-count`)
  await shows(other, { [BEFORE]: 'Counted to 1', [AFTER]: 'Counted to 1' })
  await other.click(`${BEFORE}-logout`)
  await shows(page, { [BEFORE]: 'Nobody is logged in', [AFTER]: 'Nobody is logged in' })
})

test('a logout everywhere is seen by the window of another browser at once, and by nobody else', async ({
  page,
}) => {
  const phone = await open()
  const bob = await open()
  await logIn(page, 'Ann')
  await logIn(phone.page, 'Ann')
  await logIn(bob.page, 'Bob')
  await page.click(`${AFTER}-everywhere`)
  await shows(page, { [AFTER]: 'Nobody is logged in' })
  await shows(phone.page, { [BEFORE]: 'Nobody is logged in', [AFTER]: 'Nobody is logged in' })
  await bob.page.reload()
  await shows(bob.page, { [BEFORE]: 'Logged in as Bob' })
  for (const { context } of [phone, bob]) await context.close()
})

test('the table shows rows that come, are touched and go, and how long each will live, but no sid', async ({
  page,
  context,
}) => {
  await logIn(page, 'Tom')
  const own = page.locator('#rows tr.own')
  await own.waitFor()
  assert.match(await own.locator('time').innerText(), /^(30:00|29:\d\d)$/)
  const before = await own.locator('time').innerText()
  await shows(page, { '#rows tr.own time': new RegExp(`^(?!${before}$)`) })

  await sql.unsafe(`update ${table} set expire = expire + interval '1 hour' where sess ->> 'user' = 'Tom'`)
  await shows(page, { '#rows tr.own': /touched by/, '#rows tr.own time': /^(90:00|89:\d\d)$/ })
  const sid = /s%3A(.*?)\./.exec((await cookieOf(context)).value)?.[1] ?? ''
  assert.ok(sid.length > 20 && !(await page.content()).includes(sid))

  await sql.unsafe(
    `insert into ${table} values ('elsewhere', '{"user": "Zoe"}', now() + interval '1 minute')`,
  )
  await shows(page, { '#row-elsewher': /elsewh.*Zoe.*created by/s })
  await sql.unsafe(`delete from ${table} where sid = 'elsewhere'`)
  await page.locator('#row-elsewher').waitFor({ state: 'detached' })
})

test('a server that is not the demo’s is not restarted: only connections of the demo are ended', async ({
  page,
}) => {
  const [{ started }] = (await sql`select pg_postmaster_start_time()::text as started`) as any
  await page.click('#restart-button')
  await shows(page, { '#restart-outcome li.good': 'None of' })
  assert.deepEqual([...(await sql`select pg_postmaster_start_time()::text as started`)], [{ started }])
})

ends('Ctrl-C leaves nothing behind in a database that was there before', async () => {
  const left = await sql`select nspname from pg_namespace where nspname like 'connect_postgres_simple_demo%'`
  assert.deepEqual([...left], [])
})
