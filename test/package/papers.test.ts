// The papers of the repository: README, docs and the like. Knows nothing of the store.

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
    for (const [, link] of read(paper).matchAll(/\]\((?![a-z]+:)([^)\s]+)/g)) {
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
