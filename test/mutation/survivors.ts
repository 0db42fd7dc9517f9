// The list of mutants that no test has to notice, `survivors.txt`, beside those that none has noticed.
// Promises that code may move within its file without a change of the list. Must not know how mutants are
// tried.

import { readFileSync } from 'node:fs'

export interface Survivor {
  readonly file: string
  readonly line: number
  /** As the list has it. */
  readonly change: string
}

/** A mutant in a line: what is changed and into what, whatever the place. */
export function changeOf(mutator: string, original: string, replacement: string): string {
  return `${mutator}: ${inShort(original)} → ${inShort(replacement)}`
}

/** In one line, and without its middle if it is long. */
function inShort(text: string): string {
  const line = text.replaceAll(/\s+/g, ' ').trim()
  return line.length > 42 ? `${line.slice(0, 26)}…${line.slice(-15)}` : line
}

/** How often each change is listed, by `file` and `change`. */
export type List = ReadonlyMap<string, number>

const keyOf = ({ file, change }: Pick<Survivor, 'file' | 'change'>): string => `${file}\n${change}`

/** @throws Error for a change without a reason */
export function readList(path: URL): List {
  const list = new Map<string, number>()
  let file = ''
  let reason = ''
  for (const line of readFileSync(path, 'utf8').split('\n')) {
    const text = line.trim()
    if (text === '' || text.startsWith('#')) continue
    const depth = line.length - line.trimStart().length
    if (depth === 0) [file, reason] = [text, '']
    else if (depth === 2) reason = text
    else {
      if (reason === '') throw new Error(`survivors.txt gives no reason for: ${text}`)
      const key = keyOf({ file, change: text })
      list.set(key, (list.get(key) ?? 0) + 1)
    }
  }
  return list
}

/** Those that are not in the list. Where one change can be made at several places, each takes an entry. */
export function unlisted(list: List, survivors: readonly Survivor[]): Survivor[] {
  const left = new Map(list)
  return survivors.filter((survivor) => {
    const count = left.get(keyOf(survivor)) ?? 0
    left.set(keyOf(survivor), count - 1)
    return count <= 0
  })
}

/** What is in the list, of these files, and is noticed by now or cannot be made any more. */
export function outdated(list: List, survivors: readonly Survivor[], files: ReadonlySet<string>): string[] {
  const left = new Map(list)
  for (const survivor of survivors) left.set(keyOf(survivor), (left.get(keyOf(survivor)) ?? 0) - 1)
  return [...left]
    .filter(([key, count]) => count > 0 && files.has(key.slice(0, key.indexOf('\n'))))
    .map(([key]) => key.replace('\n', ': '))
}
