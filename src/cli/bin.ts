#!/usr/bin/env node
// The program `connect-postgres-simple`: gives the process's arguments, streams and signals to `main`, and
// takes its exit code. Promises that the exit code is the command's, also when nobody reads the result. Must
// not know the commands.

import { main } from './main.ts'
import { stopOnSignals } from './signals.ts'

const stop = stopOnSignals(process)
// Whoever reads the output may have seen enough, as `head` does, or be ended by Ctrl-C, as `tee` is. A command
// prints its result when its work is done, so it goes on to its end, which is near.
process.stdout.on('error', (error: NodeJS.ErrnoException) => void (error.code !== 'EPIPE' && process.exit(2)))
// Remarks that nobody can read change nothing.
process.stderr.on('error', () => {})

const { stdin, stdout, stderr, env } = process
process.exitCode = await main(process.argv.slice(2), { stdin, stdout, stderr, env, stop })
// A statement may still be tried again that nobody waits for. Before, what was printed is written, and whatever
// fails with that is told.
stdout.write('', () => setImmediate(() => process.exit()))
