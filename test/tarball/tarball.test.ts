// The packed package where its users have it: compilers, bundlers, test runners, package managers, runtimes.

import assert from 'node:assert/strict'
import { cpSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { database } from '../support/database.ts'
import { folder, installed, pack, root, run } from '../support/installed.ts'
import { promises } from '../support/promise.ts'

const db = await database('tarball')
const place = await installed('test/tarball')
const app = join(place.path, 'apps')
cpSync(join(root, 'test/package/users'), app, { recursive: true })
const tarball = await pack(place.path)
const isQuick = process.env['EVERYWHERE'] === 'quick'
const minutes = (count: number) => ({ seconds: count * 60 })

const bin = (name: string) => join(place.path, 'node_modules', name)
const node = (args: string[], cwd = app, env: NodeJS.ProcessEnv = {}) =>
  run(process.execPath, args, cwd, { DATABASE_URL: db.url, NODE_ENV: 'production', ...env })

/** The app makes the table. */
async function works(printed: Promise<string> | (() => Promise<string>)): Promise<void> {
  await db.sql`drop table if exists session`
  assert.match(await (typeof printed === 'function' ? printed() : printed), /every verb works/)
}

const compilers = {
  'TypeScript 5.9': { path: 'typescript-5.9/bin/tsc', hasOldWays: true },
  'TypeScript 7': { path: 'typescript/bin/tsc', hasOldWays: false },
}
// Each checks the package's own declarations as well: `skipLibCheck` is off.
const types = promises('types')
for (const [compiler, { path, hasOldWays }] of Object.entries(compilers)) {
  const compiles = (promise: string, files: string[], options: string[]) =>
    types(
      `${compiler} takes the package's types ${promise}`,
      async () => {
        const common = ['--strict', '--noEmit', '--target', 'es2022', '--lib', 'es2022,esnext.disposable']
        await node(
          [bin(path), '--ignoreConfig', ...common, ...options, ...files].filter((arg) =>
            hasOldWays ? arg !== '--ignoreConfig' : true,
          ),
        )
      },
      minutes(2),
    )
  const nodenext = ['--module', 'nodenext']
  compiles('as a CommonJS and as an ES module', ['user.cts', 'user.mts'], nodenext)
  compiles('with exact optional properties', ['exact.mts'], [...nodenext, '--exactOptionalPropertyTypes'])
  compiles(
    'for a bundler',
    ['user.mts', 'interop.ts'],
    ['--module', 'esnext', '--moduleResolution', 'bundler'],
  )
  if (!hasOldWays) continue
  const old = ['--module', 'commonjs', '--moduleResolution', 'node10']
  compiles('without esModuleInterop', ['namespace.ts'], [...old, '--esModuleInterop', 'false'])
  compiles('with esModuleInterop', ['interop.ts'], [...old, '--esModuleInterop', 'true'])
}

const bundlers: Record<string, string[]> = {
  webpack: ['webpack-cli/bin/cli.js', '--config', 'webpack.config.cjs'],
  rollup: ['rollup/dist/bin/rollup', '--config', 'rollup.config.mjs', '--silent'],
  vite: ['vite/bin/vite.js', 'build', '--config', 'vite.config.mjs'],
}
const bundled = promises('bundlers')
for (const [bundler, [path, ...args]] of Object.entries(bundlers)) {
  for (const entry of isQuick ? ['app.mjs'] : ['app.mjs', 'app.cjs']) {
    bundled(
      `bundled by ${bundler} from ${entry}, far from any package, it makes its table and works`,
      async () => {
        const away = folder()
        await node([bin(path as string), ...args], app, { ENTRY: `./${entry}`, OUT: away.path })
        const [file] = readdirSync(away.path).filter((name) => /\.[cm]?js$/.test(name))
        await works(node([join(away.path, file as string)], away.path))
        away.remove()
      },
      minutes(2),
    )
  }
}

const tested = promises('test runners')
tested(
  'under Jest it works by a real clock and by a fake one, and leaves nothing open',
  async () => {
    await db.sql`drop table if exists session`
    const config = JSON.stringify({ testMatch: ['**/clock.test.cjs'], testEnvironment: 'node' })
    const args = ['--config', config, '--rootDir', app, '--detectOpenHandles', '--ci']
    await node(['--trace-warnings', bin('jest/bin/jest.js'), ...args], app, { NODE_ENV: 'test' })
  },
  minutes(2),
)
tested(
  'under Vitest it works by a real clock and by a fake one',
  async () => {
    await db.sql`drop table if exists session`
    await node([bin('vitest/vitest.mjs'), 'run', 'clock.test.mjs'], app, { NODE_ENV: 'test' })
  },
  minutes(2),
)

const installs = promises('package managers')
const peers = { 'express-session': '1.19.0', postgres: '3.4.9' }
/** A project that wants the tarball and its peers, and nothing else. */
function project(more: Record<string, string> = {}) {
  const own = folder()
  const dependencies = { 'connect-postgres-simple': `file:${tarball}`, ...peers }
  writeFileSync(join(own.path, 'package.json'), JSON.stringify({ name: 'app', private: true, dependencies }))
  for (const [name, text] of Object.entries(more)) writeFileSync(join(own.path, name), text)
  for (const name of ['app.cjs', 'app.mjs', 'verbs.cjs']) cpSync(join(app, name), join(own.path, name))
  return own
}
const registry = (await run('npm', ['config', 'get', 'registry'], place.path)).trim()
installs(
  'npm installs it without running any script',
  async () => {
    const own = project()
    await run('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund'], own.path)
    for (const name of ['app.cjs', 'app.mjs']) await works(() => node([name], own.path))
    own.remove()
  },
  minutes(3),
)
installs(
  'pnpm installs it strictly: it finds its peers, and needs nothing that it does not name',
  async () => {
    const own = project({ '.npmrc': 'hoist=false\nstrict-peer-dependencies=true\n' })
    const args = [bin('pnpm/bin/pnpm.cjs'), 'install', '--store-dir', join(own.path, 'store')]
    await node(args, own.path, { npm_config_registry: registry, CI: 'true', NODE_ENV: '' })
    for (const name of ['app.cjs', 'app.mjs']) await works(() => node([name], own.path))
    own.remove()
  },
  minutes(3),
)
installs(
  "yarn's Plug'n'Play, without node_modules, finds it and its peers",
  async () => {
    const own = project({
      '.yarnrc.yml': 'nodeLinker: pnp\nenableTelemetry: false\nenableScripts: false\n',
      'yarn.lock': '',
    })
    const yarn = bin('@yarnpkg/cli-dist/bin/yarn.js')
    const env = {
      YARN_NPM_REGISTRY_SERVER: registry,
      YARN_UNSAFE_HTTP_WHITELIST: new URL(registry).hostname,
      YARN_ENABLE_GLOBAL_CACHE: 'false',
      YARN_ENABLE_IMMUTABLE_INSTALLS: 'false',
    }
    await node([yarn, 'install'], own.path, env)
    for (const name of ['app.cjs', 'app.mjs']) await works(() => node([yarn, 'node', name], own.path, env))
    own.remove()
  },
  minutes(3),
)

const platform = `${process.platform}-${process.arch}`
/** The package of a program for this machine, and the program in it. */
const runtimes: Record<
  string,
  { package: string; version: string; program: string; args?: string[]; slow?: true }
> = {
  'Node 20': { package: `node-${platform}`, version: '20.20.2', program: 'bin/node', slow: true },
  'Node 22': { package: `node-${platform}`, version: '22.23.3', program: 'bin/node', slow: true },
  'Node 24': { package: `node-${platform}`, version: '24.21.0', program: 'bin/node', slow: true },
  'Node 26': { package: `node-${platform}`, version: '26.10.0', program: 'bin/node' },
  Bun: { package: `@oven/bun-${platform.replace('arm64', 'aarch64')}`, version: '1.4.5', program: 'bin/bun' },
  Deno: {
    package: `@deno/${platform}${process.platform === 'linux' ? '-glibc' : ''}`,
    version: '2.9.6',
    program: 'deno',
    args: ['run', '--allow-all', '--no-prompt'],
  },
}
const runs = promises('runtimes')
for (const [name, { package: source, version, program, args = [], slow }] of Object.entries(runtimes)) {
  if (isQuick && slow) continue
  runs(
    `on ${name} (${version}) it works as an ES module and by require`,
    async () => {
      const home = folder()
      await run(
        'npm',
        ['install', '--no-save', '--ignore-scripts', '--no-audit', '--no-fund', `${source}@${version}`],
        home.path,
      )
      const binary = join(home.path, 'node_modules', source, program)
      for (const entry of ['app.mjs', 'app.cjs']) {
        await works(() => run(binary, [...args, entry], app, { DATABASE_URL: db.url }))
      }
      home.remove()
    },
    minutes(4),
  )
}

promises('tarball')('nothing of all that leaves a connection behind', async () => {
  place.remove()
  await db.drop()
})
