// A release from a copy of the repository with a made-up home: what it refuses, and what it makes.
// The copy's checks are replaced by some that take no time.

import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promises } from '../support/promise.ts'

const test = promises('release')

const root = fileURLToPath(new URL('../..', import.meta.url))
const copy = mkdtempSync(join(tmpdir(), 'release-test-'))
const run = (program: string, ...args: string[]) =>
  execFileSync(program, args, { cwd: copy, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
const read = (file: string) => readFileSync(join(copy, file), 'utf8')

/** Everything but what Git ignores, as it is now, committed or not. */
function begin(): void {
  const files = execFileSync('git', ['ls-files', '-coz', '--exclude-standard'], {
    cwd: root,
    encoding: 'utf8',
  })
  for (const file of files.split('\0')) {
    if (file && existsSync(join(root, file))) cpSync(join(root, file), join(copy, file))
  }
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'))
  run('git', 'init', '--quiet')
  writeFileSync(join(copy, '.git/info/exclude'), 'node_modules\n')
  const { version } = JSON.parse(read('package.json'))
  write('CHANGELOG.md', `# Changelog\n\n## [${version}] - 2026-01-31\n\n### Added\n\n- Everything.\n`)
  manifest((given) => {
    given.repository = { type: 'git', url: 'git+https://github.com/somebody/something.git' }
    given.homepage = 'https://github.com/somebody/something#readme'
    given.bugs = 'https://github.com/somebody/something/issues'
    for (const check of ['lint', 'knip', 'types', 'test', 'check:package']) given.scripts[check] = 'node -v'
  })
  commit()
}

const write = (file: string, text: string) => writeFileSync(join(copy, file), text)

function manifest(change: (given: any) => void): void {
  const given = JSON.parse(read('package.json'))
  change(given)
  write('package.json', JSON.stringify(given, null, 2))
}

function commit(): void {
  run('git', 'add', '--all')
  const author = ['-c', 'user.name=Somebody', '-c', 'user.email=somebody@example.org']
  run('git', ...author, 'commit', '--quiet', '--message', 'x')
}

/** With a registry that is not there: nothing is asked of it, and nothing published. */
function release() {
  const env = { ...process.env, npm_config_registry: 'http://127.0.0.1:9/' }
  const { status, stdout, stderr } = spawnSync('npm', ['run', 'release'], {
    cwd: copy,
    encoding: 'utf8',
    env,
  })
  return { status, stdout, stderr, refusals: stderr.split('\n').filter((line) => line.startsWith('- ')) }
}

/** What it refuses after a change, which is taken back. */
function refused(change: () => void): string[] {
  change()
  const { status, refusals } = release()
  run('git', 'reset', '--quiet', '--hard', 'HEAD')
  assert.equal(status, 1)
  assert.ok(!existsSync(join(copy, 'release')), 'made something all the same')
  return refusals
}

begin()

test('what `npm run release` did not make is not published', () => {
  const { status, stderr } = spawnSync('npm', ['publish', '--dry-run', '--registry', 'http://127.0.0.1:9/'], {
    cwd: copy,
    encoding: 'utf8',
  })
  assert.notEqual(status, 0)
  assert.match(stderr, /Publish what npm run release makes/)
})

test('a change that is not committed is refused', () => {
  const refusals = refused(() => write('README.md', 'something else'))
  assert.deepEqual(refusals, ['- the work tree has changes that are not committed'])
})

test('all that is missing is said at once, before any check runs', () => {
  const refusals = refused(() => {
    const { version } = JSON.parse(read('package.json'))
    manifest((given) => {
      for (const field of ['repository', 'homepage', 'bugs']) delete given[field]
      given.scripts.lint = 'exit 1'
    })
    write(
      'CHANGELOG.md',
      `# Changelog\n\n## [${version}] - unreleased\n\n- Everything.\n\n## [0.0.1] - 2026-01-01\n`,
    )
    write('README.md', '[gone](docs/gone.md) ![gone too](gone.svg) <source srcset="gone.webp">')
  })
  assert.deepEqual(refusals.slice(0, 4), [
    '- the work tree has changes that are not committed',
    '- package.json has no `repository`',
    '- package.json has no `homepage`',
    '- package.json has no `bugs`',
  ])
  assert.match(refusals[4] as string, /^- CHANGELOG\.md has no section/)
  assert.deepEqual(refusals.slice(5), [
    '- README.md links to docs/gone.md, which is not there',
    '- README.md links to gone.svg, which is not there',
    '- README.md links to gone.webp, which is not there',
  ])
})

for (const [what, section] of [
  ['no section for the version', ''],
  ['an empty section', '## [VERSION] - 2026-01-31\n\n### Added\n\n## [0.0.1] - 2026-01-01\n\n- Less.\n'],
  ['a section without a date', '## [VERSION]\n\n- Everything.\n'],
] as const) {
  test(`a changelog with ${what} is refused`, () => {
    const { version } = JSON.parse(read('package.json'))
    const refusals = refused(() =>
      write('CHANGELOG.md', `# Changelog\n\n${section.replace('VERSION', version)}`),
    )
    assert.ok(refusals.some((each) => each.startsWith('- CHANGELOG.md has no section')))
  })
}

test('each check that fails is refused, by name', () => {
  for (const check of ['build', 'lint', 'knip', 'types', 'test', 'check:package']) {
    const before = run('git', 'rev-parse', 'HEAD').trim()
    manifest((given) => {
      given.scripts.build = 'node -v'
      given.scripts[check] = 'exit 1'
    })
    commit()
    const { status, refusals } = release()
    run('git', 'reset', '--quiet', '--hard', before)
    assert.deepEqual([status, refusals], [1, [`- \`npm run ${check}\` failed`]])
    assert.ok(!existsSync(join(copy, 'release')))
  }
})

test(
  'makes a tarball whose README has no relative link, and a bill of materials, and says how to publish',
  () => {
    const readme = `${read('README.md')}
[a](LICENSE#top) ![b](./docs/request.svg) [![c](docs/request.svg)](CHANGELOG.md) [d](#d) \`[e](e.md)\`

\`\`\`md
[f](f.md)
\`\`\`
`
    write('README.md', readme)
    commit()
    const { status, stdout, stderr } = release()
    assert.equal(status, 0, stderr)
    assert.equal(run('git', 'status', '--porcelain'), '')
    assert.equal(read('README.md'), readme)

    const { name, version } = JSON.parse(read('package.json'))
    const base = `${name}-${version}`
    assert.deepEqual(readdirSync(join(copy, 'release')).sort(), [`${base}.cdx.json`, `${base}.tgz`])
    assert.match(stdout, new RegExp(`git tag v${version} `))
    assert.match(stdout, new RegExp(`npm publish release/${base}\\.tgz$`, 'm'))

    run('tar', '-xzf', `release/${base}.tgz`, '-C', 'release')
    const packed = read('release/package/README.md')
    const home = 'https://github.com/somebody/something'
    const end = packed.slice(packed.indexOf('[a]('))
    assert.equal(
      end,
      `[a](${home}/blob/v${version}/LICENSE#top) ![b](${home}/raw/v${version}/docs/request.svg) ` +
        `[![c](${home}/raw/v${version}/docs/request.svg)](${home}/blob/v${version}/CHANGELOG.md) [d](#d) ` +
        `\`[e](e.md)\`\n\n\`\`\`md\n[f](f.md)\n\`\`\`\n`,
    )
    assert.doesNotMatch(packed.slice(0, -end.length), /(?:\]\(|\b(?:src|srcset|href)=")(?!https:|#)/)
    // But for the README it is what npm takes by itself.
    const [plain] = JSON.parse(run('npm', 'pack', '--json', '--dry-run', '--ignore-scripts'))
    for (const { path } of plain.files) {
      if (path !== 'README.md') assert.equal(read(`release/package/${path}`), read(path), path)
    }
    const made = run('tar', '-tzf', `release/${base}.tgz`).trim().split('\n')
    assert.equal(made.length, plain.files.length)

    const { metadata, components } = JSON.parse(read(`release/${base}.cdx.json`))
    assert.deepEqual([metadata.component.name, metadata.component.purl], [name, `pkg:npm/${name}@${version}`])
    const names: string[] = components.map((each: { name: string }) => each.name)
    assert.ok(names.includes('express-session') && names.includes('postgres'))
    assert.ok(!names.includes('esbuild'), 'what only the development needs is no part of the package')
  },
  { seconds: 120 },
)

test('no trace is left', () => {
  rmSync(copy, { recursive: true })
})
