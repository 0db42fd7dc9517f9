// Checks the package as it would be published: what it exports, its types for every way to import it, and that
// its program runs.
// Packs into a folder of its own: attw would write the tarball into this one, and delete it, whoever made it.

import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
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

  execFileSync('tar', ['-xzf', tarball, '-C', directory])
  // The peers, for a package that is unpacked and not installed.
  symlinkSync(join(process.cwd(), 'node_modules'), join(directory, 'node_modules'))
  const { bin, version } = JSON.parse(readFileSync('package.json', 'utf8'))
  for (const [name, path] of Object.entries(bin)) {
    const said = execFileSync(process.execPath, [join(directory, 'package', path), '--version'])
    if (String(said).trim() !== version) throw new Error(`Expected ${name} --version to print ${version}`)
    console.log(`${name} runs`)
  }
} finally {
  rmSync(directory, { recursive: true })
}
