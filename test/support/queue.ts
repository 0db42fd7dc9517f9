// A queue with a backend that the test drives by hand. No database.

import * as time from '../../src/clock.ts'
import { Batcher, type BatcherOptions } from '../../src/queue/batcher.ts'
import { Queue, type QueueOptions } from '../../src/queue/queue.ts'
import type { Batch } from '../../src/queue/runner.ts'

export interface Op {
  verb: 'read' | 'append' | 'other'
  text?: string
  weight?: number
}

/** A backend whose batches end when the test says so. */
export function backend(options: Partial<QueueOptions<Op> & BatcherOptions<Op, string>> = {}) {
  const sent: { batch: Batch<Op>; end(answers?: string[]): void; fail(error: Error): void }[] = []
  const given: QueueOptions<Op> & BatcherOptions<Op, string> = {
    time,
    lanes: { read: 1, write: 1 },
    timeoutMs: 5000,
    maxKeys: 3,
    maxSize: 100,
    heldPauseMs: 5,
    mayWaitForLocks: true,
    maxWaiting: { callers: 1000, weight: 1000 },
    isRead: (op) => op.verb === 'read',
    weigh: (op) => op.weight ?? 1,
    size: (op) => op.weight ?? 1,
    fold: (a, b) =>
      a.verb === b.verb && a.verb !== 'other' ? { verb: a.verb, text: `${a.text}${b.text}` } : undefined,
    run: (batch) =>
      new Promise((resolve, reject) => {
        sent.push({ batch, end: (answers) => resolve(answers ?? [...batch.keys]), fail: reject })
      }),
    followUp: () => undefined,
    isOfOneMember: (error) => (error as Error).message === 'member',
    isTooLate: (error) => (error as Error).message === 'too late',
    isLockTimeout: (error) => (error as Error).message === 'locked',
    isHeld: (answer) => answer === 'held',
    timedOut: () => new Error('late'),
    busy: () => new Error('busy'),
    ...options,
  }
  const queue = new Queue<Op, string>(given, (ends) => new Batcher(given, ends))
  return { queue, sent, keys: () => sent.map(({ batch }) => batch.keys.join('')) }
}
