// Connections that are few, or shared by a pooler.

import assert from 'node:assert/strict'
import postgres from 'postgres'
import { noPooler, startPooler } from '../../support/pgbouncer.ts'
import { bench, crowd, type Fault, seconds } from '../bench.ts'

export const poolFaults: Fault[] = [
  {
    promise: 'no connection left for the store: its operations wait until there is one',
    seconds: { short: 120, long: 180 },
    run: (long, tls) =>
      bench(
        tls,
        async ({ server, app, during }) => {
          const others = postgres(server.url, { max: 12, onnotice() {} })
          const held = Array.from({ length: 12 }, () => others.reserve())
          await Promise.race([Promise.all(held), seconds(2)])
          const users = app()
          await users.begin(crowd(long))
          let recoveryMs = 0
          const report = await during(users, async () => {
            await seconds(1)
            await others.end({ timeout: 0 })
            recoveryMs = await users.recovered()
          })
          assert.deepEqual(report.failed, {})
          return { rounds: 'once', report, recoveryMs }
        },
        ['-c', 'max_connections=16', '-c', 'superuser_reserved_connections=2'],
      ),
  },
  ...(['prepared statements', 'none prepared'] as const).map(
    (way): Fault => ({
      promise: `PgBouncer in transaction mode, 200 users at once, ${way}: no request fails, no wrong row`,
      seconds: { short: 120, long: 180 },
      missing: noPooler,
      run: (long, tls) =>
        bench(tls, async ({ server, certificate, app, during }) => {
          const pooler = await startPooler(server.url, 2, certificate)
          const prepare = way === 'prepared statements'
          const ssl = certificate && { ca: certificate.cert }
          try {
            const users = app({}, { url: pooler.url, options: { prepare, ...(ssl && { ssl }) } })
            await users.begin({ users: 200, pauseMs: 10 })
            const report = await during(users, () => seconds(long ? 20 : 0.3))
            assert.deepEqual(report.failed, {})
            await users.close()
            return { rounds: pooler.version, report }
          } finally {
            await pooler.stop()
          }
        }),
    }),
  ),
]
