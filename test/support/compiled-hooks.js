// Gives Node what was compiled in the place of a source, by its hooks for modules. What was not is left to Node.

import { existsSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

/** @type {{ root: string, folder: string }} */
let places

/** @param {typeof places} data */
export function initialize(data) {
  places = data
}

/** @type {import('node:module').LoadHook} */
export function load(url, context, next) {
  if (!url.startsWith('file:') || !url.endsWith('.ts')) return next(url, context)
  const file = join(places.folder, relative(places.root, fileURLToPath(url)))
  if (!existsSync(file)) return next(url, context)
  return { format: 'module', shortCircuit: true, source: readFileSync(file, 'utf8') }
}
