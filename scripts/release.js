// `npm run release [-- --to FOLDER]`: makes what is to be published, or says what is missing.
// Publishes nothing.

import { execFileSync, spawnSync } from 'node:child_process'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { basesOf, withAbsoluteLinks } from './links.js'

const CHECKS = ['build', 'lint', 'knip', 'types', 'test', 'check:package']

const root = fileURLToPath(new URL('..', import.meta.url))
const { values } = parseArgs({ options: { to: { type: 'string', default: join(root, 'release') } } })
const to = resolve(values.to)
process.chdir(root)

const manifest = JSON.parse(readFileSync('package.json', 'utf8'))
const { name, version } = manifest
const tag = `v${version}`
const run = (command, ...args) => execFileSync(command, args, { encoding: 'utf8' })

const { missing, readme } = prepare()
if (missing.length > 0) {
  console.error(`Not released:\n${missing.map((each) => `- ${each}`).join('\n')}`)
  process.exit(1)
}
for (const check of CHECKS) {
  const { status } = spawnSync('npm', ['run', check], { stdio: 'inherit' })
  if (status !== 0) {
    console.error(`Not released:\n- \`npm run ${check}\` failed`)
    process.exit(1)
  }
}
const scratch = mkdtempSync(join(tmpdir(), 'release-'))
try {
  mkdirSync(to, { recursive: true })
  const tarball = pack()
  const sbom = listParts()
  const shown = (path) => relative(root, path)
  console.log(`
${shown(tarball)}
${shown(sbom)}

Nothing is published yet. To do so:
  git tag ${tag} && git push origin ${tag}
  npm publish ${shown(tarball)}`)
} finally {
  rmSync(scratch, { recursive: true, force: true })
}

/** What can be said before anything is run: all that is missing at once, and the README to pack. */
function prepare() {
  const missing = []
  if (run('git', 'status', '--porcelain') !== '')
    missing.push('the work tree has changes that are not committed')
  for (const field of ['repository', 'homepage', 'bugs']) {
    if (!manifest[field]) missing.push(`package.json has no \`${field}\``)
  }
  if (!isWritten(readFileSync('CHANGELOG.md', 'utf8'))) {
    missing.push(`CHANGELOG.md has no section \`## [${version}] - YYYY-MM-DD\` with something in it`)
  }
  const { repository } = manifest
  const bases = repository && basesOf(repository.url ?? repository, tag)
  if (repository && !bases) missing.push('scripts/links.js does not know the host of `repository`')
  const { text, targets } = withAbsoluteLinks(
    readFileSync('README.md', 'utf8'),
    bases ?? { file: '', bytes: '' },
  )
  for (const target of targets) {
    if (!existsSync(target)) missing.push(`README.md links to ${target}, which is not there`)
  }
  return { missing, readme: text }
}

function isWritten(changelog) {
  const sections = changelog.split(/^## /m)
  const section = sections.find((each) => each.startsWith(`[${version}] - `)) ?? ''
  const [heading, ...lines] = section.split('\n')
  return / - \d{4}-\d\d-\d\d$/.test(heading) && lines.some((line) => line.startsWith('- '))
}

/** Packs twice: what npm takes from here, and that again with the other README. */
function pack() {
  const packed = (...from) => {
    const args = ['pack', ...from, '--json', '--ignore-scripts', '--pack-destination', scratch]
    return join(scratch, JSON.parse(run('npm', ...args))[0].filename)
  }
  const first = packed()
  run('tar', '-xzf', first, '-C', scratch)
  writeFileSync(join(scratch, 'package/README.md'), readme)
  const tarball = join(to, `${name}-${version}.tgz`)
  copyFileSync(packed(join(scratch, 'package')), tarball)
  return tarball
}

/**
 * The software bill of materials: the package, its peers and what those need, as they were tested.
 * npm would count the peers as tools of the development, which they are as well, so that mark is taken out.
 */
function listParts() {
  // npm takes the name of the folder for that of the package.
  const folder = join(scratch, name)
  mkdirSync(folder)
  const write = (file, content) => writeFileSync(join(folder, file), JSON.stringify(content))
  const lock = JSON.parse(readFileSync('package-lock.json', 'utf8'))
  for (const entry of [manifest, ...Object.values(lock.packages)]) {
    for (const key of ['dev', 'devOptional', 'devDependencies']) delete entry[key]
  }
  write('package.json', manifest)
  write('package-lock.json', lock)
  const args = ['sbom', '--prefix', folder, '--package-lock-only', '--sbom-format', 'cyclonedx']
  const sbom = join(to, `${name}-${version}.cdx.json`)
  writeFileSync(sbom, execFileSync('npm', args, { cwd: folder, encoding: 'utf8' }))
  return sbom
}
