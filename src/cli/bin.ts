#!/usr/bin/env node
// The program `connect-postgres-simple`: gives the process's arguments, streams and signals to `main`, and
// takes its exit code. Promises that Ctrl-C is passed on once, and ends the process the second time. Must not
// know the commands.

import { main } from './main.ts'

const stop = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    if (stop.signal.aborted) process.exit(130)
    stop.abort()
  })
}
// Whoever reads the output may have seen enough, as `head` does.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 2))
// Remarks that nobody can read change nothing.
process.stderr.on('error', () => {})

const { stdin, stdout, stderr, env } = process
process.exitCode = await main(process.argv.slice(2), { stdin, stdout, stderr, env, stop: stop.signal })
// A statement may still be tried again that nobody waits for. Before, what was printed is written, and whatever
// fails with that is told.
stdout.write('', () => setImmediate(() => process.exit()))
