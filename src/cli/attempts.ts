// Watches the attempts to run statements. Promises that who waits is told why, and that nobody waits for what
// no further attempt can change. Must not know the statements.

import { startTimer, stopTimer } from '../clock.ts'
import { StoreError } from '../errors.ts'
import { READ_ONLY } from '../sqlstate.ts'
import { type BatchMessage, batches } from '../tracing/channels.ts'

// A little longer than it takes to find out that there is no server.
const TOLD_AFTER_MS = 6000

export interface Attempts {
  /** Rejects if the server refuses what the store, after a failover, would try elsewhere. */
  readonly hopeless: Promise<never>
  end(): void
}

/** Whether the database is read-only: it refuses whatever else a command would change, too. */
export function isHopeless(error: unknown): boolean {
  // That of a function says nothing of the server, and that of a standby comes without a severity.
  return (
    error instanceof StoreError &&
    error.code === READ_ONLY &&
    error.severity === 'ERROR' &&
    !error.isFromFunction
  )
}

/** @param tell gets why a statement is tried again, once until one succeeds */
export function watchAttempts(tell: (reason: Error) => void, toldAfterMs: number = TOLD_AFTER_MS): Attempts {
  let timer: NodeJS.Timeout | undefined
  let fail: (reason: unknown) => void
  const hopeless = new Promise<never>((_, reject) => {
    fail = reject
  })
  hopeless.catch(() => {})
  let last: Error
  const onEnd = (message: unknown) => {
    const { error, verb } = message as BatchMessage
    if (isHopeless(error)) fail(error)
    // A change is not tried again.
    if (!error || verb === 'change') {
      stopTimer(timer)
      timer = undefined
      return
    }
    last = error
    timer ??= startTimer(() => tell(last), toldAfterMs).unref()
  }
  batches.asyncEnd.subscribe(onEnd)
  return {
    hopeless,
    end() {
      stopTimer(timer)
      batches.asyncEnd.unsubscribe(onEnd)
    },
  }
}
