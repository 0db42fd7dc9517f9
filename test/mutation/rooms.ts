// Which files of src/ are changed by mutation testing, and which tests have to notice. Must not know how
// mutants are made.

import { execFileSync } from 'node:child_process'
import { readdirSync } from 'node:fs'

/** What tests without a server can notice: whole rooms, and single files of others. */
const PURE = [
  'src/queue/',
  'src/session/',
  'src/settings/',
  'src/clock.ts',
  'src/errors.ts',
  'src/events.ts',
  'src/sqlstate.ts',
  'src/connection/address.ts',
  'src/connection/clients.ts',
  'src/connection/liveness.ts',
  'src/connection/messages.ts',
  'src/connection/real-timers.ts',
  'src/connection/ssl.ts',
  'src/connection/url.ts',
  'src/pruning/prune.ts',
  'src/pruning/pruner.ts',
  'src/table/answers.ts',
  'src/table/names.ts',
  'src/table/operations.ts',
  'src/table/parameters.ts',
  'src/table/row.ts',
]
/** The command line is left out: each of its tests takes longer than a mutant is worth. */
const OTHERS = ['src/store/', 'src/table/', 'src/connection/', 'src/pruning/', 'src/tracing/', 'src/index.ts']

const filesBelow = (folder: string, end: string): string[] =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => `${folder}/${name.replaceAll('\\', '/')}`)
    .filter((name) => name.endsWith(end))
    .sort()

/** @param server whether the files that only tests with a server can notice are meant, instead of the others */
export function filesOf(server: boolean): string[] {
  const isPure = (file: string) => PURE.some((place) => file.startsWith(place))
  const isOther = (file: string) => !isPure(file) && OTHERS.some((place) => file.startsWith(place))
  return filesBelow('src', '.ts').filter(server ? isOther : isPure)
}

export function testsFor(server: boolean): string[] {
  const without = filesBelow('test/unit', '.test.ts')
  return server ? [...without, ...filesBelow('test/store', '.test.ts')] : without
}

/** Tests that are about a room or file: all tests with a store reach it, and most tell little of it. */
const CLOSEST: Record<string, readonly string[]> = {
  'src/connection/': ['health', 'attempts', 'connection', 'reach', 'instances'],
  'src/connection/encryption': ['tls'],
  'src/connection/shared-client': ['instances', 'contact'],
  'src/pruning/': ['prune', 'engines'],
  'src/store/': ['store', 'contract', 'errors'],
  'src/store/by-user': ['by-user', 'by-user-order'],
  'src/store/health': ['health'],
  'src/store/user': ['by-user', 'by-user-order', 'user-index'],
  'src/table/': ['table', 'store', 'locks'],
  'src/table/pruning': ['prune', 'engines'],
  'src/table/changes': ['locks', 'late', 'conflicts'],
  'src/table/user': ['by-user', 'user-index'],
  'src/table/sid-type': ['sids'],
  'src/tracing/': ['tracing'],
}

/** The tests that are about the file. */
export function closestTo(file: string): string[] {
  const places = Object.keys(CLOSEST).filter((place) => file.startsWith(place))
  return places.flatMap((place) => CLOSEST[place]!.map((name) => `test/store/${name}.test.ts`))
}

/**
 * The files in the order of their turns, for a run that may end before it has reached all: first those that
 * the last commits changed, then the others from one on that the last commit's name chooses. So each comes to
 * its turn in the end.
 */
export function inTurn(files: readonly string[], commits = 10): string[][] {
  const git = (...args: string[]) => execFileSync('git', args, { encoding: 'utf8' }).trim()
  const touched = new Set(git('log', `-${commits}`, '--format=', '--name-only', '--', 'src').split('\n'))
  const others = files.filter((file) => !touched.has(file))
  const start = Number.parseInt(git('rev-parse', 'HEAD').slice(0, 8), 16) % Math.max(1, others.length)
  return [files.filter((file) => touched.has(file)), others.slice(start), others.slice(0, start)]
}
