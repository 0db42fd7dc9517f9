// Which commit is measured, and whether the files are those of it. What a run itself writes does not count,
// nor do texts.

import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const git = (...given) => execFileSync('git', given, { cwd: root, encoding: 'utf8' }).trim()

/** @returns {{ commit: string, changes: string }} `changes` as `git status` lists them */
export function tree() {
  const written = [':!*.md', ':!bench/*.csv', ':!bench/charts']
  return {
    commit: git('rev-parse', 'HEAD'),
    changes: git('status', '--porcelain', '--', '.', ...written),
  }
}
