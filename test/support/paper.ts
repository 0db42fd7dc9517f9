// Code as README and docs show it, so that a test runs what a reader copies. Knows nothing of what it does.

import { readFileSync } from 'node:fs'

/**
 * The one block of code of a paper that holds these words.
 * @param paper its path in the repository
 */
export function codeIn(paper: string, words: string, language = 'js'): string {
  const text = readFileSync(new URL(`../../${paper}`, import.meta.url), 'utf8')
  const blocks = [...text.matchAll(/^```(\w+)\n(.*?)^```$/gms)]
    .filter(([, name, code]) => name === language && code?.includes(words))
    .map(([, , code]) => code as string)
  if (blocks.length !== 1) throw new Error(`${blocks.length} blocks of ${paper} hold ${words}`)
  return blocks[0] as string
}
