// Processes of the server that end under the store.

import assert from 'node:assert/strict'
import { backends } from '../../support/store.ts'
import { bench, crowd, type Fault, seconds, times } from '../bench.ts'

export const backendFaults: Fault[] = [
  {
    promise: 'a random backend ended every 100 ms by pg_terminate_backend: no request fails, no save is lost',
    seconds: { short: 120, long: 180 },
    run: (long, tls) =>
      bench(tls, async ({ sql, app, during }) => {
        let ended = 0
        const users = app()
        await users.begin(crowd(long))
        const report = await during(users, () =>
          times(long ? 300 : 20, async () => {
            const [victim] = await backends(sql)
            if (victim) ended += (await sql`select pg_terminate_backend(${victim})`).length
            await seconds(0.1)
          }),
        )
        assert.ok(ended > 5)
        assert.deepEqual(report.failed, {})
        return { rounds: `${ended} backends ended`, report }
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
            let victim: number | undefined
            while (!victim) [victim] = await backends(sql)
            process.kill(victim, 'SIGKILL')
            recoveryMs = Math.max(recoveryMs, await users.recovered())
            await seconds(long ? 5 : 0.5)
          }),
        )
        assert.deepEqual(report.failed, {})
        return { rounds: `${count} crashes`, report, recoveryMs }
      }),
  },
]
