// The source of the demo and of both stores, as pages with numbered lines, and links to lines of it. Promises
// that nothing else can be read.

import { readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { html } from './html.js'

const root = fileURLToPath(new URL('..', import.meta.url))
const require = createRequire(import.meta.url)

/** By the name in the URL. */
const files = new Map([
  ['connect-pg-simple/index.js', require.resolve('connect-pg-simple')],
  ...['demo', 'src'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => /\.(js|ts|css)$/.test(name))
      .map(
        (name) => /** @type {const} */ ([`${folder}/${name.split(sep).join('/')}`, join(root, folder, name)]),
      ),
  ),
])

const linesOf = (name) => readFileSync(files.get(name), 'utf8').trimEnd().split('\n')

/**
 * @param {string} words of the link
 * @param {string} place a file, or a folder
 * @param {string} text the first line there that holds it is where the link leads to
 * @throws if there is no such line
 */
export function codeLink(words, place, text) {
  for (const name of files.keys()) {
    const line = name.startsWith(place) ? linesOf(name).findIndex((each) => each.includes(text)) : -1
    if (line >= 0) return html`<a href="/code/${name}#L${line + 1}">${words}</a>`
  }
  throw new Error(`${place} has no line with: ${text}`)
}

/** @returns {string | undefined} the page, if there is such a file */
export function codePage(name) {
  if (!files.has(name)) return undefined
  const lines = linesOf(name).map((text, i) => html`<li id="L${i + 1}"><code>${text || ' '}</code></li>`)
  return String(html`<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${name}</title>
<link rel="icon" href="/favicon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/style.css">
<body class="source">
<header><h1>${name}</h1><p><a href="/">Back to the demo</a></p></header>
<main tabindex="0" aria-label="Source"><ol>${lines}</ol></main>
</body>
</html>`)
}
