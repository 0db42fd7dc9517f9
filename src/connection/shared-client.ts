// Runs statements on the connections of the app's instance (`isolate: false`). Promises that each statement
// ends by its deadline, and that the instance is never closed. Must not know the statements.

import type { Sql } from 'postgres'
import { closed, type Server } from '../errors.ts'
import type { Client } from './client.ts'
import type { DriverOptions } from './instance.ts'
import { execute, greet, isStatementError, timeLeft, within } from './query.ts'

/**
 * @param sql passed `checkShareable`
 * @param onOpen is called when a server has answered for the first time, and after it was in doubt
 */
export function sharedClient(sql: Sql<any>, onOpen: (server: Server | undefined) => void): Client {
  /** How far the server's clock is ahead of ours; undefined until the server was greeted. */
  let aheadMs: number | undefined
  let isShutOut = false
  /**
   * Resolves when the last statement has ended in the server too, which can be long after it was given up
   * here.
   */
  let lastEnded: Promise<unknown> = Promise.resolve()
  let isBusy = false
  let isEnded = false
  const { path, host, port, database } = (sql.options ?? {}) as unknown as Partial<DriverOptions>
  const server = host && { path, host: host.join(), port: port?.[0] as number, database }
  return {
    server,
    get isBusy() {
      return isBusy
    },
    get isOpen() {
      return aheadMs !== undefined
    },
    get isReady() {
      return aheadMs !== undefined && !isBusy
    },
    get isShutOut() {
      return isShutOut
    },
    async query(text, parameters, until, effectUntil) {
      // Otherwise a server that answers nothing would fill the connections of the app, one after the other.
      await within(until, lastEnded)
      if (isEnded) throw closed()
      isShutOut = aheadMs === undefined
      const remember = (ended: Promise<unknown>) => {
        isBusy = true
        const thisEnded = ended.finally(() => {
          // The next statement can be under way before that of the greeting counts as ended.
          if (lastEnded === thisEnded) isBusy = false
        })
        lastEnded = thisEnded
      }
      if (aheadMs === undefined) {
        aheadMs = await greet(sql, until, remember)
        if (isEnded) throw closed()
        isShutOut = false
        onOpen(server)
      }
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
    async end() {
      isEnded = true
    },
  }
}
