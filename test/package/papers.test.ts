// The papers of the repository: README, docs and the like. Knows of the store only its source, as text.

import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promises } from '../support/promise.ts'

const test = promises('papers')

const root = fileURLToPath(new URL('../..', import.meta.url))
const read = (file: string) => readFileSync(join(root, file), 'utf8').replaceAll(/^```.*?^```/gms, '')
const papers = ['.', 'docs', 'examples', 'bench', 'test/faults'].flatMap((folder) =>
  readdirSync(join(root, folder))
    .filter((name) => name.endsWith('.md'))
    .map((name) => join(folder, name)),
)

/** The anchor that Git hosts make of a heading. */
function anchor(heading: string): string {
  const words = heading.toLowerCase().replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
  return words.trim().replaceAll(/\s/g, '-')
}

test('every link to a file of the repository, or to a heading in one, leads there', () => {
  const astray: string[] = []
  let followed = 0
  for (const paper of papers) {
    for (const [, link] of read(paper).matchAll(/(?:\]\(|\b(?:src|srcset|href)=")(?![a-z]+:)([^)\s"]+)/g)) {
      const [path, heading] = (link as string).split('#')
      const file = path ? join(dirname(paper), path) : paper
      followed++
      if (!existsSync(join(root, file))) astray.push(`${paper}: ${link}`)
      else if (heading !== undefined) {
        const headings = [...read(file).matchAll(/^#+ (.*)$/gm)].map(([, text]) => anchor(text as string))
        if (!headings.includes(heading)) astray.push(`${paper}: ${link}`)
      }
    }
  }
  assert.deepEqual(astray, [])
  assert.ok(followed > 50, `only ${followed} links were found`)
})

test('the papers of the command line have a heading for each command and each code of the doctor', () => {
  const source = (folder: string) =>
    readdirSync(join(root, folder))
      .filter((name) => name.endsWith('.ts'))
      .map((name) => readFileSync(join(root, folder, name), 'utf8'))
      .join('\n')
  const wanted = [
    ...[...source('src/cli').matchAll(/: Command = \{\n {2}name: '(\w+)'/g)].map(([, name]) => name),
    ...new Set(
      [...source('src/cli/doctor').matchAll(/code: '([a-z-]+)'|'((?:row|user-index)-[a-z-]+)'/g)].map(
        ([, code, other]) => code ?? other,
      ),
    ),
  ]
  const headings = [...read('docs/command-line.md').matchAll(/^##+ `([\w-]+)`$/gm)].map(([, name]) => name)
  assert.deepEqual(headings.sort(), wanted.sort())
})

test('an app in CommonJS has a name for each type that an ES module has', () => {
  const source = (file: string) => readFileSync(join(root, 'src', file), 'utf8')
  const types = [...source('index.ts').matchAll(/^export type \{(.*)\}/gm)].flatMap(([, names]) =>
    (names as string).split(',').map((name) => name.trim()),
  )
  const named = [...source('index.d.cts').matchAll(/^ {2}export type (\w+)\b.* = all\.\1\b/gm)].map(
    ([, name]) => name,
  )
  assert.deepEqual(named, types.sort())
  assert.ok(types.includes('Options'))
})

test('README has a heading for each option and for each code of an error, so that they can be linked', () => {
  const source = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => readFileSync(join(root, 'src', name), 'utf8'))
    .join('\n')
  const [, options] = /^export interface Options \{$(.*?)^\}$/ms.exec(source) as unknown as [string, string]
  const wanted = [
    ...[...options.matchAll(/^ {2}(\w+)\?:/gm)].map(([, name]) => name),
    ...new Set([...source.matchAll(/'(STORE_[A-Z]+)'/g)].map(([, code]) => code)),
  ]
  const headings = [...read('README.md').matchAll(/^### `(\w+)`$/gm)].map(([, name]) => name)
  assert.deepEqual(headings.sort(), wanted.sort())
})
