// Writes the page about what was measured, and its charts for light and dark.

import { mkdirSync, writeFileSync } from 'node:fs'
import { charts } from './charts.js'
import { page } from './page.js'

const here = (name) => new URL(`../${name}`, import.meta.url)

/** @param results what each part measured, when, and on which commit */
export async function report(results) {
  mkdirSync(here('charts'), { recursive: true })
  const drawn = charts(results)
  for (const { name, svgs } of drawn)
    for (const [theme, svg] of Object.entries(await svgs))
      writeFileSync(here(`charts/${name}-${theme}.svg`), svg)
  writeFileSync(here('results.md'), page(results, drawn))
}
