// The TypeScript of the sources and tests, compiled once for all processes of a run: to start each by tsx
// takes a third of a second of the processor more. Knows nothing of what is run.

import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { transform } from 'esbuild'

const root = fileURLToPath(new URL('../..', import.meta.url))
const hooks = new URL('compiled-hooks.js', import.meta.url).href
/** Not those of other packages that tests install. */
const isSource = (file: string) => /\.ts$/.test(file) && !/\.d\.ts$|node_modules/.test(file)

let flags: Promise<readonly string[]> | undefined

/** @returns what `node` has to be given to run the sources and tests as they are now */
export function compiled(): Promise<readonly string[]> {
  flags ??= compile()
  return flags
}

async function compile(): Promise<readonly string[]> {
  const folder = mkdtempSync(join(tmpdir(), 'connect-postgres-simple-compiled-'))
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  const files = ['src', 'test'].flatMap((below) =>
    readdirSync(join(root, below), { recursive: true, encoding: 'utf8' })
      .map((name) => join(below, name))
      .filter(isSource),
  )
  await Promise.all(
    files.map(async (file) => {
      const path = join(root, file)
      // A file that somebody is still writing fails only the tests that use it.
      const code = await compileFile(path).catch(
        ({ message }) => `throw new SyntaxError(${JSON.stringify(message)})`,
      )
      mkdirSync(dirname(join(folder, file)), { recursive: true })
      writeFileSync(join(folder, file), code)
    }),
  )
  const data = JSON.stringify({ root, folder })
  // Node 20 has only the hooks in a thread of their own, of which Node 26 warns.
  const preload = `import module from 'node:module'
import { initialize, load } from ${JSON.stringify(hooks)}
initialize(${data})
if (module.registerHooks) module.registerHooks({ load })
else module.register(${JSON.stringify(hooks)}, { data: ${data} })`
  return ['--enable-source-maps', `--import=data:text/javascript,${encodeURIComponent(preload)}`]
}

async function compileFile(path: string): Promise<string> {
  const { code } = await transform(readFileSync(path, 'utf8'), {
    loader: 'ts',
    format: 'esm',
    target: 'node20',
    sourcefile: path,
    sourcemap: 'inline',
    sourcesContent: false,
  })
  return code
}
