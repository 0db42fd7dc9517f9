// The package as its users get it: packed, installed, required, imported, type-checked and bundled.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  copyFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { database, tableSql } from '../support/database.ts'
import { promises } from '../support/promise.ts'

const db = await database('package')
const test = promises('package')

const root = fileURLToPath(new URL('../..', import.meta.url))
const app = mkdtempSync(join(tmpdir(), 'package-'))
const modules = join(app, 'node_modules')
const home = join(modules, 'connect-postgres-simple')
const run = (program: string, args: string[], cwd = app) =>
  execFileSync(program, args, {
    cwd,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, DATABASE_URL: db.url },
  })

/** Stores and loads on an empty database, and prints what came back. */
const use = `
  const store = new (connect(session))({ createTableIfMissing: true })
  store.set('a', { cookie: {}, n: 1 })
    .then(() => store.get('a'))
    .then((found) => console.log('found ' + found.n))
    .then(() => store.close())`

test(
  'the tarball holds what is documented and nothing else',
  () => {
    const [packed] = JSON.parse(
      run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', app], root),
    )
    const files: string[] = packed.files.map(({ path }: { path: string }) => path)
    const docs = readdirSync(join(root, 'docs')).filter((file) => file.endsWith('.md'))
    assert.deepEqual(files.filter((file) => !file.startsWith('dist/')).sort(), [
      'LICENSE',
      'README.md',
      // The command line names some of them.
      ...docs.map((file) => `docs/${file}`),
      'package.json',
      'table.sql',
    ])
    assert.deepEqual(
      files.filter((file) => !/\.(js|d\.ts)$/.test(file) && file.startsWith('dist/')),
      ['dist/index.cjs', 'dist/index.d.cts'],
    )
    mkdirSync(home, { recursive: true })
    run('tar', ['-xzf', packed.filename, '--strip-components=1', '-C', home])
    for (const peer of [
      'express-session',
      'postgres',
      '@types/express-session',
      '@types/express',
      '@types/node',
      '@types/pg',
      'pg-connection-string',
    ]) {
      mkdirSync(dirname(join(modules, peer)), { recursive: true })
      symlinkSync(join(root, 'node_modules', peer), join(modules, peer))
    }
  },
  { seconds: 120 },
)

test('require gives the factory, and the store works on an empty database', async () => {
  writeFileSync(
    join(app, 'app.cjs'),
    `const session = require('express-session'); const connect = require('connect-postgres-simple'); ${use}`,
  )
  await db.sql`drop table if exists session`
  assert.equal(run(process.execPath, ['app.cjs']), 'found 1\n')
})

test('require gives the factory where the driver comes as an ES module, as in Bun', async () => {
  const there = join(app, 'as-in-bun')
  const driver = join(there, 'node_modules/postgres')
  cpSync(home, join(there, 'node_modules/connect-postgres-simple'), { recursive: true })
  mkdirSync(driver)
  writeFileSync(
    join(driver, 'index.js'),
    `exports.default = require(${JSON.stringify(join(modules, 'postgres'))})`,
  )
  copyFileSync(join(app, 'app.cjs'), join(there, 'app.cjs'))
  await db.sql`drop table if exists session`
  assert.equal(run(process.execPath, ['app.cjs'], there), 'found 1\n')
})

test('import gives the factory, and the store works on an empty database', async () => {
  writeFileSync(
    join(app, 'app.mjs'),
    `import session from 'express-session'; import connect from 'connect-postgres-simple'; ${use}`,
  )
  await db.sql`drop table if exists session`
  assert.equal(run(process.execPath, ['app.mjs']), 'found 1\n')
})

test('bundled into one file, far from the package, it needs no other file', async () => {
  for (const [entry, format] of [
    ['app.cjs', 'cjs'],
    ['app.mjs', 'esm'],
  ] as const) {
    const away = mkdtempSync(join(tmpdir(), 'bundle-'))
    const outfile = join(away, `bundle.${format === 'cjs' ? 'cjs' : 'mjs'}`)
    await build({
      entryPoints: [join(app, entry)],
      outfile,
      bundle: true,
      minify: true,
      platform: 'node',
      format,
      banner:
        format === 'esm'
          ? {
              js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url)",
            }
          : {},
    })
    await db.sql`drop table if exists session`
    assert.equal(run(process.execPath, [outfile], away), 'found 1\n')
    rmSync(away, { recursive: true })
  }
})

test(
  'its types are right for a CommonJS and for an ES module app',
  () => {
    for (const file of ['user.cts', 'user.mts', 'exact.mts'])
      copyFileSync(join(root, 'test/package/users', file), join(app, file))
    const tsc = join(root, 'node_modules/typescript/bin/tsc')
    const options = [
      '--module',
      'nodenext',
      '--target',
      'es2022',
      '--lib',
      'es2022,esnext.disposable',
      '--strict',
      '--noEmit',
    ]
    run(process.execPath, [tsc, ...options, 'user.cts', 'user.mts'])
    run(process.execPath, [tsc, ...options, '--exactOptionalPropertyTypes', 'exact.mts'])
  },
  { seconds: 60 },
)

test(
  'checking the package leaves no file behind, and deletes none',
  () => {
    const copy = join(app, 'copy')
    mkdirSync(copy)
    for (const name of readdirSync(root)) {
      if (/^(src|scripts|package\.json|table\.sql|LICENSE|.*\.md|tsconfig.*)$/.test(name))
        cpSync(join(root, name), join(copy, name), { recursive: true })
    }
    symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'))
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
    const tarball = join(copy, `connect-postgres-simple-${version}.tgz`)
    writeFileSync(tarball, 'packed by hand')
    const before = readdirSync(copy)
    run('npm', ['run', 'check:package'], copy)
    assert.deepEqual(
      readdirSync(copy).filter((name) => name !== 'dist'),
      before,
    )
    assert.equal(readFileSync(tarball, 'utf8'), 'packed by hand')
  },
  { seconds: 120 },
)

test('npx runs its program, on this Node', async () => {
  await db.sql`drop table if exists session`
  // Links the program as `npm install` does.
  run('npm', ['rebuild', '--ignore-scripts', 'connect-postgres-simple'])
  const npx = (...args: string[]) => run('npx', ['--no', '--', 'connect-postgres-simple', ...args])
  assert.equal(npx('init'), 'Created the table "session".\n')
  assert.deepEqual(JSON.parse(npx('prune', '--json')), { deleted: 0, remaining: 0 })
  assert.throws(() => npx('purge'), { status: 2 })
})

test('table.sql is exported, for psql', () => {
  writeFileSync(
    join(app, 'where.cjs'),
    `process.stdout.write(require.resolve('connect-postgres-simple/table.sql'))`,
  )
  assert.equal(readFileSync(run(process.execPath, ['where.cjs']), 'utf8'), tableSql)
})

test('no code of the package reads a file, but for certificates named in a URL', () => {
  for (const file of readdirSync(join(home, 'dist')).filter((name) => name.endsWith('.js'))) {
    const text = readFileSync(join(home, 'dist', file), 'utf8')
    assert.ok(file === 'ssl.js' || !text.includes('node:fs'), file)
    assert.ok(!text.includes('__dirname') && !text.includes('import.meta'), file)
  }
})

test('no connection is left behind', async () => {
  rmSync(app, { recursive: true })
  await db.drop()
})
