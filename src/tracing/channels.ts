// What the store tells those who listen to its tracing channels of node:diagnostics_channel. Promises that
// nothing is built while nobody listens, and that no message holds a sid, session data or a credential. Must
// not know who listens.

import { type TracingChannel, tracingChannel } from 'node:diagnostics_channel'
import { monotonicMs } from '../clock.ts'
import { StoreError } from '../errors.ts'

/** Of every message, from its end on. */
interface Ended {
  /** From its start to its end, in ms. */
  durationMs?: number
  /** A `StoreError`, or a plain `Error` without a message for what a function of the app's own has thrown. */
  error?: Error
}

/** `connect-postgres-simple:operation`, a call of one of the store's methods. */
export interface OperationMessage extends Ended {
  /** The name of the method. */
  verb: string
  /** Stands for the sid: the same for the same sid in this process, another one in the next. */
  session?: string
  /**
   * `absent`: nothing was found, stored, moved or deleted, as there was no row, or it has the expiry of the
   * touch already. Undefined on failure.
   */
  outcome?: 'done' | 'absent'
  /** From the call to the first batch with this operation, in ms. Undefined if it was in none. */
  waitedMs?: number
  /** How many sids its last batch had. Undefined if it was in none. */
  batchSize?: number
}

/** `connect-postgres-simple:batch`, one attempt to run a statement. */
export interface BatchMessage extends Ended {
  /** The name of the statement: a verb, or another one of the store's. */
  verb: string
  /** For how many sids it is. Undefined for a statement that is not about given sids. */
  size?: number
  /** 1 for the first attempt. */
  attempt: number
  /** How many rows came back. Undefined on failure. */
  rows?: number
  /** The host and port, or the socket. */
  server?: string
}

/** `connect-postgres-simple:connect`, an attempt to open a connection of the store's own. */
export interface ConnectMessage extends Ended {
  /** The host and port, or the socket. */
  server: string
}

/** `connect-postgres-simple:prune`. */
export interface PruneMessage extends Ended {
  /** How many rows were deleted. Undefined on failure. */
  deleted?: number
}

type Channel<Message extends object> = TracingChannel<unknown, Message>

const channel = <Message extends object>(name: string): Channel<Message> =>
  tracingChannel(`connect-postgres-simple:${name}`)

export const operations: Channel<OperationMessage> = channel('operation')
export const batches: Channel<BatchMessage> = channel('batch')
export const connects: Channel<ConnectMessage> = channel('connect')
export const prunes: Channel<PruneMessage> = channel('prune')

/** Whether anybody listens. `TracingChannel` has a property for that only since Node 20.13. */
export function isWatched({ start, end, asyncStart, asyncEnd, error }: Channel<any>): boolean {
  return (
    start.hasSubscribers ||
    asyncEnd.hasSubscribers ||
    error.hasSubscribers ||
    end.hasSubscribers ||
    asyncStart.hasSubscribers
  )
}

interface Traced<Message, T> {
  /** Makes the message. Not called if nobody listens. */
  describe(): Message
  /** Gets the message, undefined if nobody listens. */
  work(message: Message | undefined): Promise<T>
  /** Adds to the message what came of the work. */
  complete?(message: Message, result: T): void
  /** What to tell of an error. @default what is no `StoreError` is told without its message */
  tellable?(error: unknown): Error
}

const withoutMessage = (error: unknown): Error => (error instanceof StoreError ? error : new Error())

/** Adds to a message. A listener may have frozen it, which must not fail the call that it is about. */
export function amend<Message extends object>(message: Message, additions: Partial<Message>): void {
  for (const [name, value] of Object.entries(additions)) Reflect.set(message, name, value)
}

/** Does the work, and tells those who listen when it starts, and when and how it ends. */
export function traced<Message extends object, T>(
  to: Channel<Message & Ended>,
  { describe, work, complete, tellable = withoutMessage }: Traced<Message & Ended, T>,
): Promise<T> {
  if (!isWatched(to)) return work(undefined)
  const message = describe()
  const began = monotonicMs()
  let working: Promise<T> | undefined
  // What this resolves with becomes part of the message, so it is not the result.
  const tell = async () => {
    try {
      working = work(message)
      const result = await working
      complete?.(message, result)
    } catch (error) {
      throw tellable(error)
    } finally {
      amend<Ended>(message, { durationMs: monotonicMs() - began })
    }
  }
  to.tracePromise(tell, message).catch(() => {})
  return working as unknown as Promise<T>
}
