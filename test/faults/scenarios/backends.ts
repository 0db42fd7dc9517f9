// Processes of the server that end under the store.

import assert from 'node:assert/strict'
import type { Sql } from 'postgres'
import { backends } from '../../support/store.ts'
import { bench, crowd, type Fault, seconds, times } from '../bench.ts'

export const backendFaults: Fault[] = [
  {
    promise: 'a random backend ended every 100 ms by pg_terminate_backend: no request fails, no save is lost',
    seconds: { short: 120, long: 180 },
    run: (long, tls) =>
      bench(tls, async ({ sql, app, during }) => {
        const count = long ? 300 : 20
        const users = app()
        await users.begin(crowd(long))
        const report = await during(users, () =>
          times(count, async () => {
            await sql`select pg_terminate_backend(${await victim(sql)})`
            await seconds(0.1)
          }),
        )
        assert.deepEqual(report.failed, {})
        return { rounds: `${count} backends ended`, report }
      }),
  },
  {
    promise:
      'a backend killed by kill -9, after which the server recovers from a crash: no request fails, no save is lost',
    seconds: { short: 120, long: 180 },
    run: (long, tls) =>
      bench(tls, async ({ sql, app, during }) => {
        const count = long ? 4 : 1
        let recoveryMs = 0
        const users = app()
        await users.begin(crowd(long))
        const report = await during(users, () =>
          times(count, async () => {
            process.kill(await victim(sql), 'SIGKILL')
            recoveryMs = Math.max(recoveryMs, await users.recovered())
            await seconds(long ? 5 : 0.5)
          }),
        )
        assert.deepEqual(report.failed, {})
        return { rounds: `${count} crashes`, report, recoveryMs }
      }),
  },
]

/** One of the store's, as soon as there is one: on a slow machine it may not have come back yet. */
async function victim(sql: Sql): Promise<number> {
  for (;;) {
    const [pid] = await backends(sql)
    if (pid) return pid
    await seconds(0.01)
  }
}
