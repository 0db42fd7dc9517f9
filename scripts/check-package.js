// Checks the package as it would be published: what it exports, and its types for every way to import it.
// Packs into a folder of its own: attw would write the tarball into this one, and delete it, whoever made it.

import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

process.chdir(fileURLToPath(new URL('..', import.meta.url)))
const directory = mkdtempSync(join(tmpdir(), 'check-package-'))
try {
  const packed = execFileSync('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', directory])
  const tarball = join(directory, JSON.parse(String(packed))[0].filename)
  const attw = ['--profile', 'node16', '--exclude-entrypoints', 'table.sql']
  execFileSync('npx', ['--no-install', 'publint', '--strict', tarball], { stdio: 'inherit' })
  execFileSync('npx', ['--no-install', 'attw', tarball, ...attw], { stdio: 'inherit' })
} finally {
  rmSync(directory, { recursive: true })
}
