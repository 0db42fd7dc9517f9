// The message about one call of a store's method, filled in while the call goes on. Must not know what the
// methods do.

import { monotonicMs } from '../clock.ts'
import { amend, type OperationMessage, operations, traced } from './channels.ts'
import { pseudonym } from './pseudonym.ts'

/** What the rooms below tell of an operation. */
export interface OperationTrace {
  /** Its operation was sent in a batch of so many sids. */
  sent(batchSize: number): void
  /** There was no row. */
  absent(): void
}

/**
 * @param sid undefined for a method that takes none
 * @param work gets undefined if nobody listens
 */
export function traceOperation<T>(
  verb: string,
  sid: unknown,
  work: (trace: OperationTrace | undefined) => Promise<T>,
): Promise<T> {
  return traced<OperationMessage, T>(operations, {
    describe: () => ({ verb, ...(typeof sid === 'string' && { session: pseudonym(sid) }) }),
    work: (message) => work(message && traceInto(message)),
    complete(message) {
      amend(message, { outcome: message.outcome ?? 'done' })
    },
  })
}

function traceInto(message: OperationMessage): OperationTrace {
  // No earlier than that of `durationMs`, of which the wait is a part.
  const began = monotonicMs()
  return {
    sent(batchSize) {
      const { waitedMs = monotonicMs() - began } = message
      amend(message, { waitedMs, batchSize })
    },
    absent() {
      amend(message, { outcome: 'absent' })
    },
  }
}
