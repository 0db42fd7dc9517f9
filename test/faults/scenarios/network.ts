// A way to the server on which nothing comes through, or not all.

import assert from 'node:assert/strict'
import { backends, sessionOf } from '../../support/store.ts'
import { bench, crowd, type Fault, seconds, times } from '../bench.ts'
import { proxy } from '../proxy.ts'

const TIMEOUT_SECONDS = 1
/** How often each user must succeed after it. */
const AGAIN = 20

export const networkFaults: Fault[] = (['hole', 'shut', 'silent', 'cut'] as const).map((mode) => ({
  promise: {
    hole: 'a black hole: every operation ends by the timeout, and after it every lane works',
    shut: 'connections that are accepted and closed: the same, with a bounded number of attempts',
    silent: 'connections that are accepted and never answered: the same',
    cut: 'connections that are reset in the middle of an answer: the same',
  }[mode],
  seconds: { short: 60, long: 120 },
  run: (long, tls) =>
    bench(tls, async ({ server, sql, address, app, during }) => {
      const between = await proxy(server.url)
      try {
        const users = app({ conString: address(between.url), timeout: TIMEOUT_SECONDS })
        await users.begin(crowd(long))
        let recoveryMs = 0
        let attempts = 0
        const report = await during(users, () =>
          times(long ? 5 : 1, async () => {
            const before = between.accepted
            const began = Date.now()
            between.become(mode)
            if (mode === 'shut' || mode === 'silent')
              for (const pid of await backends(sql)) await sql`select pg_terminate_backend(${pid})`
            // While it goes on, everybody is told so.
            await Promise.all([users.everybody(1, 'answered'), seconds(3)])
            attempts = Math.max(attempts, ((between.accepted - before) / (Date.now() - began)) * 1000)
            between.become('pass')
            recoveryMs = Math.max(recoveryMs, await users.recovered())
            await users.everybody(AGAIN, 'succeeded')
            // More than there are lanes, so that one which is stuck would be missed.
            const after = Array.from({ length: 64 }, (_, i) => `after-${i}`)
            await Promise.all(after.map((sid) => users.store.set(sid, sessionOf({ user: 'after' }))))
          }),
        )
        assert.deepEqual(
          Object.keys(report.failed).filter((code) => code !== 'STORE_TIMEOUT'),
          [],
        )
        // 4 connections, each of which pauses a quarter of a second at most.
        assert.ok(attempts < 50, `${attempts} attempts in a second`)
        // What is late by more has not been told by its deadline.
        assert.ok(report.slowestMs < TIMEOUT_SECONDS * 5000, `one took ${report.slowestMs} ms`)
        return {
          rounds: [
            `${long ? 5 : 1} times 3 s, at most ${Math.ceil(attempts)} connections in a second`,
            `then ${AGAIN} successes of each user`,
          ].join('; '),
          report,
          recoveryMs,
        }
      } finally {
        await between.close()
      }
    }),
}))
