// The queue of all operations on the table, with its limits and with what it has to know of operations,
// answers and errors. Must not know session objects.

import * as time from '../clock.ts'
import { isStatementError } from '../connection/query.ts'
import { busy, codeOf, rowLocked, type StoreError, timedOut } from '../errors.ts'
import { Batcher } from '../queue/batcher.ts'
import { Queue } from '../queue/queue.ts'
import { followUp } from '../session/conflicts.ts'
import type { Settings } from '../settings/settings.ts'
import { isOfTheStatement, LOCK_NOT_AVAILABLE, STATEMENT_LATE } from '../sqlstate.ts'
import type { Answer } from '../table/answers.ts'
import { isHeld } from '../table/changes.ts'
import { fold, type Operation } from '../table/operations.ts'
import type { Table } from '../table/table.ts'
import type { Counters } from '../tracing/counters.ts'

export type OperationQueue = Queue<Operation, Answer>

// After a pause of this length an operation is sent again whose row was held.
const HELD_PAUSE_MS = 25

const isRead = (op: Operation) => op.verb === 'get'

interface Surroundings {
  /**
   * Of a session's text, in characters: a get has the size of its answer, which is not known before.
   */
  usualLength(): number
  /** The error for a caller whose operation was never sent. */
  timedOut(): StoreError
}

export function operationQueue(
  settings: Settings,
  table: Table,
  counters: Counters,
  surroundings: Surroundings,
): OperationQueue {
  return new Queue<Operation, Answer>(
    {
      time,
      timeoutMs: settings.timeoutMs,
      // Reached only while the server is away. Long before that, the app has other troubles than its
      // sessions.
      maxWaiting: { callers: 50_000, weight: 100_000_000 },
      isRead,
      weigh: (op) => ('sess' in op ? op.sess.length : 0),
      fold,
      timedOut: (held) => (held ? timedOut(rowLocked()) : surroundings.timedOut()),
      busy,
    },
    (results) =>
      new Batcher<Operation, Answer>(
        {
          time,
          lanes: { read: Math.ceil(settings.max / 2), write: Math.max(1, settings.max >> 1) },
          // Large enough that the round trip is a small part of the cost. Small enough that of a few hundred
          // operations some are under way while the answers of others are read.
          maxKeys: 128,
          maxSize: 1_000_000,
          heldPauseMs: HELD_PAUSE_MS,
          mayWaitForLocks: settings.max > 1,
          isRead,
          size: (op) => ('sess' in op ? op.sess.length : isRead(op) ? surroundings.usualLength() : 0),
          run(batch) {
            counters.batches++
            return table.run(batch).catch((error) => {
              // The operations of a batch that skips held rows, or waits longer for them, have rows that were
              // held before.
              const wasHeld = batch.skipsHeld || batch.isPatient
              if (wasHeld && codeOf(error) === 'STORE_TIMEOUT') throw timedOut(rowLocked())
              throw error
            })
          },
          followUp: (op, answer) =>
            'was' in op ? followUp(op, answer, settings, () => counters.conflicts++) : undefined,
          isOfOneMember: (error) => {
            const { code, isFromFunction } = error as StoreError
            // Rows that were not asked for come also of a table in which one sid has two rows.
            if (code === 'STORE_MISMATCH') return true
            return isStatementError(error) && (isFromFunction === true || !isOfTheStatement(code))
          },
          isTooLate: (error) => codeOf(error) === STATEMENT_LATE && !(error as StoreError).isFromFunction,
          isLockTimeout: (error) => codeOf(error) === LOCK_NOT_AVAILABLE,
          isHeld,
        },
        results,
      ),
  )
}
