// How the page looks and can be used: wide and narrow, light and dark, by keyboard, with reduced motion, by
// axe-core.

import assert from 'node:assert/strict'
import axe from 'axe-core'
import type { Page } from 'playwright-core'
import { AFTER, BEFORE, demoInBrowser, leads, logIn, shows } from './demo.ts'

const { test, ends, url } = await demoInBrowser('looks', { database: 'demo_looks' })

/** What axe-core finds wrong. */
async function faults(page: Page): Promise<string[]> {
  await page.evaluate(axe.source)
  const { violations } = (await page.evaluate('axe.run()')) as axe.AxeResults
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`)
}

for (const colorScheme of ['light', 'dark'] as const) {
  for (const width of [360, 1440]) {
    test(
      `axe-core finds nothing, ${colorScheme} at ${width} pixels, and nothing is wider than the window`,
      async ({ page }) => {
        const isWider = () => page.evaluate('document.documentElement.scrollWidth > innerWidth')
        assert.deepEqual(await faults(page), [])
        await logIn(page, 'Maximilian Alexander')
        for (const id of ['logout', 'tabs']) {
          await page.click(`#${id}-button`)
          await page.locator(`#${id}-outcome li`).first().waitFor()
        }
        assert.deepEqual(await faults(page), [])
        assert.equal(await isWider(), false)
        await page.click('#logout .links a')
        await page.locator('li:target').waitFor()
        assert.deepEqual(await faults(page), [])
        assert.equal(await isWider(), false)
      },
      { colorScheme, viewport: { width, height: 800 } },
    )
  }
}

test('the page can be used by keyboard alone, and the focus stays where it is', async ({ page }) => {
  const focused = () => page.evaluate('document.activeElement.id')
  const tabTo = async (id: string) => {
    for (let presses = 0; (await focused()) !== id; presses++) {
      if (presses === 60) throw new Error(`no Tab leads to ${id}`)
      await page.keyboard.press('Tab')
    }
    assert.notEqual(await page.evaluate('getComputedStyle(document.activeElement).outlineStyle'), 'none')
  }
  await tabTo('connect-pg-simple-user')
  await page.keyboard.type('Kay')
  await leads(page, () => page.keyboard.press('Enter'))
  await shows(page, { [AFTER]: 'Logged in as Kay' })
  await tabTo('connect-pg-simple-count')
  await leads(page, () => page.keyboard.press('Space'))
  await shows(page, { [AFTER]: 'Counted to 1' })
  await tabTo('logout-button')
  await page.keyboard.press('Enter')
  await shows(page, { '#logout-outcome': 'Lou stays out.' })
  assert.equal(await focused(), 'logout-button')
})

test(
  'with reduced motion nothing moves',
  async ({ page }) => {
    await logIn(page, 'Ann')
    await page.click('#everywhere-button')
    await page.locator('#everywhere-outcome li').first().waitFor()
    assert.equal(await page.evaluate('document.getAnimations().length'), 0)
    assert.equal(await page.locator('tr.deleted').count(), 0)
  },
  { reducedMotion: 'reduce' },
)

test('the page has a language, a title and an icon, and no request leaves the machine', async ({ page }) => {
  const requests: string[] = []
  page.on('request', (request) => requests.push(request.url()))
  await page.reload()
  await shows(page, { [BEFORE]: 'Nobody is logged in' })
  assert.equal(await page.getAttribute('html', 'lang'), 'en')
  assert.match(await page.title(), /connect-postgres-simple/)
  const icon = await page.request.get(
    new URL((await page.getAttribute('link[rel=icon]', 'href')) ?? '', url).href,
  )
  assert.equal(icon.headers()['content-type'], 'image/svg+xml')
  assert.ok(requests.length >= 4)
  assert.deepEqual(
    requests.filter((request) => !request.startsWith(url)),
    [],
  )
})

test('each panel says what is seen, and its links lead to lines of code', async ({ page }) => {
  const tries = page.locator('.try')
  assert.equal(await tries.count(), 6)
  for (const each of await tries.all()) assert.match(await each.locator('p').first().innerText(), /\.$/)
  const links = await page
    .locator('.links a')
    .evaluateAll((all) => all.map((link) => (link as unknown as { href: string }).href))
  assert.ok(links.length >= 12)
  for (const link of new Set(links)) {
    await page.goto(link)
    await page.locator('li:target').waitFor()
  }
  const outside = await page.request.get(`${url}/code/..%2fpackage.json`)
  assert.equal(outside.status(), 404)
})

ends('Ctrl-C closes every connection to the database')
