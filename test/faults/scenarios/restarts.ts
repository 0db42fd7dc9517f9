// A server that is away for a while.

import assert from 'node:assert/strict'
import { bench, crowd, type Fault, seconds, times } from '../bench.ts'

export const restarts: Fault[] = [
  ...(['SIGINT', 'SIGQUIT'] as const).map(
    (signal): Fault => ({
      promise: `the server restarted, ${signal === 'SIGINT' ? 'fast' : 'immediate'}: requests wait for it, no save is lost`,
      seconds: { short: 120, long: 180 },
      run: (long, tls) =>
        bench(tls, async ({ server, app, during }) => {
          const count = long ? 3 : 1
          let recoveryMs = 0
          const users = app()
          await users.begin(crowd(long))
          const report = await during(users, () =>
            times(count, async () => {
              await server.down(signal)
              await seconds(1)
              await server.up()
              recoveryMs = Math.max(recoveryMs, await users.recovered())
              await seconds(0.5)
            }),
          )
          assert.deepEqual(report.failed, {})
          return { rounds: `${count} restarts`, report, recoveryMs }
        }),
    }),
  ),
  {
    promise: 'a server that is away for longer than the timeout: STORE_TIMEOUT, then all is well again',
    seconds: { short: 120, long: 180 },
    run: (long, tls) =>
      bench(tls, async ({ server, app, during }) => {
        const users = app({ timeout: 1 })
        await users.begin(crowd(long))
        let recoveryMs = 0
        const report = await during(users, async () => {
          await server.down('SIGINT')
          await seconds(long ? 10 : 2)
          await server.up()
          recoveryMs = await users.recovered()
        })
        assert.deepEqual(Object.keys(report.failed), ['STORE_TIMEOUT'])
        return { rounds: 'once', report, recoveryMs }
      }),
  },
  {
    promise: 'a server that is not there when the app starts: requests wait, and the table is created',
    seconds: { short: 120, long: 180 },
    run: (long, tls) =>
      bench(tls, async ({ server, sql, app, during }) => {
        await sql`drop table session`
        await server.down('SIGINT')
        const users = app({ createTableIfMissing: true })
        await users.begin(crowd(long))
        let recoveryMs = 0
        const report = await during(users, async () => {
          await seconds(1)
          await server.up()
          recoveryMs = await users.recovered()
        })
        assert.deepEqual(report.failed, {})
        return { rounds: 'once', report, recoveryMs }
      }),
  },
]
