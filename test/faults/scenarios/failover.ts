// A primary that is lost, and a standby that takes its place.

import assert from 'node:assert/strict'
import postgres, { type Sql } from 'postgres'
import { bench, crowd, type Fault, seconds } from '../bench.ts'
import { proxy } from '../proxy.ts'

/** Also while its recovery takes away what the question needs. */
const stillStandby = async (sql: Sql) =>
  (await sql`select pg_is_in_recovery() as so`.catch(() => undefined))?.[0]?.['so'] ?? true

export const failovers: Fault[] = (['one address', 'two hosts'] as const).map((way) => ({
  promise: `the primary lost and its standby promoted, ${way}: requests wait for it, no acknowledged save is lost`,
  seconds: { short: 120, long: 180 },
  run: (long, tls) =>
    bench(tls, async ({ server, address, standby: follower, app, during }) => {
      const standby = await follower()
      const sql = postgres(standby.url, { max: 2, onnotice() {} })
      const [first, second] = [await proxy(standby.url), await proxy(server.url)]
      try {
        // The standby first. It answers reads, and what it answers is old.
        const both = first.url.replace(/\/postgres$/, `,127.0.0.1:${new URL(second.url).port}$&`)
        await sql`select pg_wal_replay_pause()`
        const users = app({ conString: address(way === 'one address' ? second.url : both) })
        await users.begin(crowd(long))
        let recoveryMs = 0
        const faults = async () => {
          await seconds(long ? 10 : 1)
          await server.down('SIGQUIT')
          // It leads to a server that reads and does not write, until that one is promoted.
          if (way === 'one address') second.to(standby.url)
          await seconds(1)
          await sql`select pg_promote(false)`
          while (await stillStandby(sql)) await seconds(0.01)
          recoveryMs = await users.recovered()
          await seconds(long ? 10 : 1)
        }
        const report = await during(users, faults, sql)
        assert.deepEqual(report.failed, {})
        await users.close()
        return { rounds: 'once', report, recoveryMs }
      } finally {
        await Promise.all([first.close(), second.close()])
        await sql.end({ timeout: 1 })
        await standby.stop()
      }
    }),
}))
