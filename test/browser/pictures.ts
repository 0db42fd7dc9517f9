// `npm run pictures`: takes README's pictures of the demo, light and dark, after its buttons were pressed.
// For a quiet machine, as they show figures.

import { writeFileSync } from 'node:fs'
import type { Browser, Page } from 'playwright-core'
import { openChromium } from '../support/chromium.ts'
import { program } from '../support/processes.ts'
import { logIn, main } from './demo.ts'

const TRIES = ['restart', 'load', 'prune', 'everywhere', 'tabs', 'logout']

/** Writes a picture as WebP, which is a third of the size. The browser is what can make one. */
async function write(browser: Browser, name: string, png: Buffer): Promise<void> {
  const page = await browser.newPage()
  const url = `data:image/png;base64,${png.toString('base64')}`
  const webp = (await page.evaluate(`(async () => {
    const image = new Image()
    image.src = '${url}'
    await image.decode()
    const canvas = document.createElement('canvas')
    Object.assign(canvas, { width: image.width, height: image.height })
    canvas.getContext('2d').drawImage(image, 0, 0)
    return canvas.toDataURL('image/webp', 0.85)
  })()`)) as string
  const bytes = Buffer.from(webp.replace(/^.*?,/, ''), 'base64')
  writeFileSync(new URL(`../../docs/${name}.webp`, import.meta.url), bytes)
  console.log(`docs/${name}.webp: ${Math.round(bytes.length / 1024)} KB`)
  await page.close()
}

async function press(page: Page, id: string): Promise<void> {
  await page.click(`#${id}-button`)
  await page.locator(`#${id}-outcome li`).first().waitFor()
}

const demo = program(process.execPath, [main, '--port', '0'], { DATABASE_URL: '' })
const [url] = await demo.printed(/http:\S+/)
const browser = await openChromium()
try {
  for (const colorScheme of ['light', 'dark'] as const) {
    const viewport = { width: 1200, height: 1800 }
    // Nothing is to be caught in the middle of a movement.
    const page = await browser.newPage({ colorScheme, viewport, reducedMotion: 'reduce' })
    await page.goto(url)
    if (colorScheme === 'light') for (const id of TRIES) await press(page, id)
    await logIn(page, 'Ann')
    await page.click('#connect-postgres-simple-count')
    await page.goto(url)
    await page.locator('#rows tr.own').waitFor()
    const box = await page.locator('#everywhere').boundingBox()
    const height = Math.round((box?.y ?? 0) + (box?.height ?? 0)) + 16
    const clip = { x: 0, y: 0, width: viewport.width, height }
    await write(browser, `demo-${colorScheme}`, await page.screenshot({ clip }))
    await write(browser, `demo-load-${colorScheme}`, await page.locator('#load').screenshot())
    await page.click('#connect-pg-simple-logout')
    await page.close()
  }
} finally {
  await browser.close()
  demo.ctrlC()
  await demo.ended()
}
