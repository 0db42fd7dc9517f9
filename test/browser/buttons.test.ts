// Every button of the demo, pressed in a browser, on the PostgreSQL that the demo starts by itself.

import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, readdirSync, rmdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { AFTER, BEFORE, demoInBrowser, leads, logIn, shows } from './demo.ts'

// Readable, as the server is another user.
const folder = mkdtempSync(join(tmpdir(), 'demo-buttons-'))
chmodSync(folder, 0o755)
const { test, ends } = await demoInBrowser('buttons', { folder })

/** Presses the button of a try, and waits for what comes of it: words for each store, marked good or not. */
async function outcomes(page: Page, id: string): Promise<{ store: string; says: string; good: boolean }[]> {
  await page.click(`#${id}-button`)
  const lines = page.locator(`#${id}-outcome li`)
  await lines.first().waitFor()
  return Promise.all(
    (await lines.all()).map(async (line) => ({
      store: await line.locator('.by').innerText(),
      says: await line.locator('span').last().innerText(),
      good: (await line.getAttribute('class')) === 'good',
    })),
  )
}

test('who logs in at one service is logged in at the other, counts on at both, and logs out of both', async ({
  page,
}) => {
  await logIn(page, 'Ann <b>')
  await shows(page, { [AFTER]: 'Logged in as Ann <b>. Counted to 0.' })
  await leads(page, () => page.click(`${AFTER}-count`))
  await shows(page, { [BEFORE]: 'Counted to 1', [AFTER]: 'Counted to 1' })
  await leads(page, () => page.click(`${BEFORE}-count`))
  await shows(page, { [BEFORE]: 'Counted to 2', [AFTER]: 'Counted to 2' })
  await leads(page, () => page.click(`${AFTER}-logout`))
  await shows(page, { [BEFORE]: 'Nobody is logged in', [AFTER]: 'Nobody is logged in' })
  await logIn(page, 'Bob', AFTER)
  await shows(page, { [BEFORE]: 'Logged in as Bob' })
  await leads(page, () => page.click(`${BEFORE}-logout`))
  await shows(page, { [BEFORE]: 'Nobody is logged in', [AFTER]: 'Nobody is logged in' })
})

test('a logout during a slow request: with connect-pg-simple the user comes back, here not', async ({
  page,
}) => {
  assert.deepEqual(await outcomes(page, 'logout'), [
    { store: 'connect-pg-simple', says: 'Lou comes back: the old cookie is logged in again.', good: false },
    { store: 'this store', says: 'Lou stays out.', good: true },
  ])
  // The one that came back is in the table.
  await shows(page, { '#rows tr': /Lou/ })
})

test('two tabs that save at once: both changes are kept by merging, and by nothing else', async ({
  page,
}) => {
  const says = 'The last save wins: the cart is empty.'
  assert.deepEqual(await outcomes(page, 'tabs'), [
    { store: 'connect-pg-simple', says, good: false },
    { store: 'this store', says, good: false },
    { store: 'this store, merge', says: 'Both are kept: a book in the cart, theme dark.', good: true },
  ])
})

test('a user with three devices is logged out of all of them by this store', async ({ page }) => {
  assert.deepEqual(await outcomes(page, 'everywhere'), [
    { store: 'connect-pg-simple', says: '1 device is logged out, 2 are still logged in.', good: false },
    { store: 'this store', says: 'All 3 devices are logged out.', good: true },
  ])
})

test('a prune of this store passes over the locked row that the one of connect-pg-simple waits for', async ({
  page,
}) => {
  const [before, after] = await outcomes(page, 'prune')
  assert.match(before?.says ?? '', /^0 of 6 rows deleted in \d\.\d s: it waits for the lock\.$/)
  assert.match(
    after?.says ?? '',
    /^5 of 6 rows deleted in \d+ ms, the locked one waits for the next prune\.$/,
  )
  assert.deepEqual([before?.good, after?.good], [false, true])
})

test('a restart of PostgreSQL is a pause for the users of this store, and the table stays live', async ({
  page,
}) => {
  const [before, after] = await outcomes(page, 'restart')
  assert.match(before?.says ?? '', /of [\d,]+ requests failed/)
  assert.match(after?.says ?? '', /^None of [\d,]+ requests failed\. A pause: the longest took [\d,]+ ms\.$/)
  assert.ok(after?.good)
  await shows(page, { [`${AFTER}-counters`]: /retries\s*[1-9]/, [`${BEFORE}-counters`]: /retries\s*0/ })
  await logIn(page, 'Later', AFTER)
  await shows(page, { '#rows tr.own': 'Later' })
})

test('fifty users at once draw a chart of each store’s requests and of their p99', async ({ page }) => {
  await page.click('#load-button')
  // While it is drawn.
  await shows(page, { '#load-chart': 'this store', '#load-outcome': 'Running' })
  const lines = page.locator('#load-outcome li')
  await lines.first().waitFor()
  for (const text of await lines.allInnerTexts())
    assert.match(text, /[\d,]+ requests a second; 99 of 100 within \d+ ms\./)
  for (const name of ['Requests', '99 of 100 within']) {
    const chart = page.getByRole('img', { name })
    assert.match(
      (await chart.getAttribute('aria-label')) ?? '',
      /: connect-pg-simple \d+(, \d+){7}; this store \d+(, \d+){7}$/,
    )
    assert.equal(await chart.locator('.line').count(), 2)
  }
})

test('the strip of counters shows what each store has done', async ({ page }) => {
  for (const service of [BEFORE, AFTER])
    await shows(page, { [`${service}-counters`]: /operations\s*\d.*statements\s*\d.*retries\s*\d/s })
  const operations = async () => {
    const texts = await page.locator('.counters div:first-child dd').allInnerTexts()
    return texts.map((text) => Number(text.replaceAll(',', '')))
  }
  const before = await operations()
  await logIn(page, 'Ann')
  while ((await operations()).some((count, i) => count <= before[i]!)) await page.waitForTimeout(100)
})

test(
  'without JavaScript every button works too, and the page shows what came of it',
  async ({ page }) => {
    await logIn(page, 'Nojs')
    await page.click('#logout-button')
    await shows(page, { '#logout-outcome': 'Lou stays out.' })
    assert.match(page.url(), /#logout$/)
    await shows(page, { [AFTER]: 'Logged in as Nojs', '#rows': 'Nojs' })
  },
  { javaScriptEnabled: false },
)

ends('Ctrl-C ends the demo while a window is open, and leaves no file behind', () => {
  assert.deepEqual(readdirSync(folder), [])
})

process.once('exit', () => rmdirSync(folder))
