// What the pool needs of a client, which runs one statement at a time on one connection. Must not know whose
// the connection is.

import type { Server } from '../errors.ts'
import type { Columns, Parameters } from './query.ts'

export interface Client {
  /** Whether the server still works on a statement that was given up. */
  readonly isBusy: boolean
  /** The server of the last statement, or of the attempt to send it. */
  readonly server: Server | undefined
  /** Whether it is logged in, and nothing says that the connection was lost. */
  readonly isOpen: boolean
  /** Whether the next statement is sent on it without a login before. */
  readonly isReady: boolean
  /** Whether no host has let it log in since its last successful login. */
  readonly isShutOut: boolean
  /**
   * @param until in ms of the monotonic clock
   * @param effectUntil by when it must have taken effect
   */
  query(text: string, parameters: Parameters, until: number, effectUntil: number): Promise<Columns[]>
  /** Drops the connection together with the statement under way. The next query opens another. */
  reset(): void
  /** Closes the connection in an orderly way, and opens no other. No statement may be under way. */
  end(): Promise<void>
}
