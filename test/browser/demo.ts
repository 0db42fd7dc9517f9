// The demo, started as a user starts it, and tests that look at it in Debian's chromium. Without chromium
// they are skipped and say so. Knows nothing of what the demo shows.

import { fileURLToPath } from 'node:url'
import type { BrowserContext, BrowserContextOptions, Page } from 'playwright-core'
import { noChromium, openChromium } from '../support/chromium.ts'
import { type Database, database } from '../support/database.ts'
import { program } from '../support/processes.ts'
import { promises } from '../support/promise.ts'

export const main = fileURLToPath(new URL('../../demo/main.js', import.meta.url))

/** How long a state is waited for. Far longer than it takes, as the machine may be busy. */
const PATIENCE_SECONDS = 60

export interface Window {
  page: Page
  context: BrowserContext
}

/**
 * @param where the demo works: on a server of its own with files in a folder, or in a database of the tests'
 *   server, which is dropped at the end
 */
export async function demoInBrowser(kind: string, where: { folder: string } | { database: string }) {
  const test = promises(kind)
  const given = 'database' in where && !noChromium ? await database(where.database) : undefined
  const env = 'folder' in where ? { DATABASE_URL: '', TMPDIR: where.folder } : { DATABASE_URL: given?.url }
  const demo = noChromium ? undefined : program(process.execPath, [main, '--port', '0'], env)
  const [browser, printed] = demo ? await Promise.all([openChromium(), demo.printed(/http:\S+/)]) : []
  const url = printed?.[0] ?? ''

  /** A window of a browser that knows nothing yet, with the demo's page. */
  async function open(options: BrowserContextOptions = {}): Promise<Window> {
    const context = await browser!.newContext({ viewport: { width: 1440, height: 900 }, ...options })
    context.setDefaultTimeout(PATIENCE_SECONDS * 1000)
    const page = await context.newPage()
    await page.goto(url)
    return { page, context }
  }

  return {
    url,
    sql: given?.sql as Database['sql'],
    pid: demo?.child.pid,
    open,
    test(promise: string, show: (window: Window) => Promise<void>, options?: BrowserContextOptions): void {
      test(
        promise,
        async () => {
          const window = await open(options)
          try {
            await show(window)
          } finally {
            await window.context.close()
          }
        },
        { seconds: 2 * PATIENCE_SECONDS, skip: noChromium },
      )
    },
    /** At the end of each file. `andThen` looks at what is left. No connection to the database is. */
    ends(promise: string, andThen: () => Promise<void> | void = () => {}): void {
      test(
        promise,
        async () => {
          await browser?.close()
          demo?.ctrlC()
          const { code, signal, output } = (await demo?.ended()) ?? {}
          if (code !== 0 || signal !== null) throw new Error(`ended with ${code ?? signal}:\n${output}`)
          await andThen()
          await given?.drop()
        },
        { skip: noChromium },
      )
    },
  }
}

export const BEFORE = '#connect-pg-simple'
export const AFTER = '#connect-postgres-simple'

/** Waits until each of these elements shows its text. */
export async function shows(page: Page, texts: Record<string, string | RegExp>): Promise<void> {
  for (const [selector, hasText] of Object.entries(texts))
    await page.locator(selector).filter({ hasText }).first().waitFor()
}

/**
 * Does what leads to another page, and waits until that one has loaded. It shows its text before its script runs,
 * and until then a button of a try leads to yet another page, on which nothing has the focus.
 */
export async function leads(page: Page, act: () => Promise<void>): Promise<void> {
  await Promise.all([page.waitForEvent('load'), act()])
}

/** Logs in with the form of the service. */
export async function logIn(page: Page, user: string, service = BEFORE): Promise<void> {
  await page.fill(`${service}-user`, user)
  await leads(page, () => page.click(`${service}-login`))
  await shows(page, { [service]: `Logged in as ${user}` })
}
