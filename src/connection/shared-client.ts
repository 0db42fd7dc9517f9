// Runs statements on the connections of the app's instance (`isolate: false`). Promises that each statement
// ends by its deadline, and that the instance is never closed. Must not know the statements.

import type { Sql } from 'postgres'
import type { Client } from './client.ts'
import type { DriverOptions } from './instance.ts'
import { execute, greet, isStatementError, timeLeft, within } from './query.ts'

/** @param sql passed `checkShareable` */
export function sharedClient(sql: Sql<any>): Client {
  /** How far the server's clock is ahead of ours; undefined until the server was greeted. */
  let aheadMs: number | undefined
  let isShutOut = false
  /**
   * Resolves when the last statement has ended in the server too, which can be long after it was given up
   * here.
   */
  let lastEnded: Promise<unknown> = Promise.resolve()
  let isBusy = false
  const { path, host, port, database } = (sql.options ?? {}) as unknown as Partial<DriverOptions>
  return {
    server: host && { path, host: host.join(), port: port?.[0] as number, database },
    get isBusy() {
      return isBusy
    },
    get isOpen() {
      return aheadMs !== undefined
    },
    get isShutOut() {
      return isShutOut
    },
    async query(text, parameters, until, effectUntil) {
      // Otherwise a server that answers nothing would fill the connections of the app, one after the other.
      await within(until, lastEnded)
      isShutOut = aheadMs === undefined
      const remember = (ended: Promise<unknown>) => {
        isBusy = true
        lastEnded = ended.finally(() => {
          isBusy = false
        })
      }
      aheadMs ??= await greet(sql, until, remember)
      isShutOut = false
      try {
        return await execute(sql, text, parameters(timeLeft(effectUntil, aheadMs)), until, remember)
      } catch (error) {
        // Greet again before the next statement: the instance may have reconnected to another server, which
        // has another clock.
        if (!isStatementError(error)) aheadMs = undefined
        throw error
      }
    },
    reset() {},
    async end() {},
  }
}
