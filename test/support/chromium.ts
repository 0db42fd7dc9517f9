// Debian's chromium, or another one that is installed, driven by playwright-core. Knows nothing of the pages
// that it shows.

import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { type Browser, chromium } from 'playwright-core'

const NAMES = ['chromium', 'chromium-browser', 'google-chrome']

const path = (process.env['PATH'] ?? '')
  .split(delimiter)
  .flatMap((folder) => NAMES.map((name) => join(folder, name)))
  .find((file) => {
    try {
      accessSync(file, constants.X_OK)
      return true
    } catch {
      return false
    }
  })

/** Why no test can be run in a browser here, if none can. */
export const noChromium = path === undefined ? 'chromium is not installed' : undefined

export function openChromium(): Promise<Browser> {
  return chromium.launch({
    executablePath: path as string,
    // Its sandbox refuses to run as root. The others keep it from talking to servers of its maker.
    args: ['--no-sandbox', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  })
}
