// Turns the signals that end a program into the one that commands look at. Promises that one Ctrl-C counts
// once, however often it arrives, and that a second one ends the process. Must not know the commands.

import { monotonicMs } from '../clock.ts'

// Whoever starts the program may pass on a signal that the whole group has got already: npm does so with
// Ctrl-C, GNU timeout with SIGTERM. The copy comes some ms later, and nobody presses again so soon.
const ECHO_MS = 500

/** @returns aborted by the first signal */
export function stopOnSignals(process: Pick<NodeJS.Process, 'on' | 'exit'>): AbortSignal {
  const stop = new AbortController()
  let first: { readonly name: string; readonly at: number } | undefined
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.on(name, () => {
      const at = monotonicMs()
      if (!first) {
        first = { name, at }
        stop.abort()
      } else if (name !== first.name || at - first.at >= ECHO_MS) process.exit(130)
    })
  }
  return stop.signal
}
