// With NODE_DEBUG=connect-postgres-simple, a line on standard error for each message of the tracing channels.
// Must not know what the messages mean.

import { debuglog } from 'node:util'
import { batches, connects, operations, prunes } from './channels.ts'

let begun = false

/** Called for each store, begins once in a process. */
export function printDebugLines(): void {
  const log = debuglog('connect-postgres-simple')
  if (begun || !log.enabled) return
  begun = true
  for (const [name, channel] of Object.entries({
    operation: operations,
    batch: batches,
    connect: connects,
    prune: prunes,
  })) {
    channel.asyncEnd.subscribe((message) => log('%s', line(name, message as Record<string, unknown>)))
  }
}

/** Such as `batch verb=get size=12 attempt=1 rows=12 durationMs=0.8`. */
function line(name: string, message: Record<string, unknown>): string {
  const words = Object.entries(message).flatMap(([key, value]) => {
    if (value === undefined) return []
    if (value instanceof Error)
      return [`error=${JSON.stringify((value as { code?: string }).code ?? value.name)}`]
    return [`${key}=${typeof value === 'number' ? Math.round(value * 1000) / 1000 : value}`]
  })
  return [name, ...words].join(' ')
}
