// Builds dist/: the ES modules with their types by tsc, and for `require` one CommonJS file with types of
// its own.

import { execFileSync } from 'node:child_process'
import { copyFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

process.chdir(fileURLToPath(new URL('..', import.meta.url)))
rmSync('dist', { recursive: true, force: true })

const tsc = createRequire(import.meta.url)
  .resolve('typescript/package.json')
  .replace(/package\.json$/, 'bin/tsc')
execFileSync(process.execPath, [tsc, '-p', 'tsconfig.build.json'], { stdio: 'inherit' })

/** Where `require` gives an ES module, as in Bun and from some bundlers, the driver is its `default`. */
const driver = {
  name: 'driver',
  /** @param {import('esbuild').PluginBuild} build */
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^postgres$/ }, ({ namespace }) =>
      namespace === 'driver'
        ? { path: 'postgres', external: true }
        : { path: 'postgres', namespace: 'driver' },
    )
    onLoad({ filter: /./, namespace: 'driver' }, () => ({
      contents: "const given = require('postgres'); module.exports = given.default ?? given",
    }))
  },
}

await build({
  entryPoints: ['src/index.ts'],
  outfile: 'dist/index.cjs',
  bundle: true,
  packages: 'external',
  plugins: [driver],
  platform: 'node',
  target: 'node20',
  format: 'cjs',
  // require() gives the function itself, as connect-pg-simple does.
  footer: { js: 'module.exports = module.exports.default' },
})
copyFileSync('src/index.d.cts', 'dist/index.d.cts')
