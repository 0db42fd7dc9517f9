// A way to the server on which nothing comes through, or not all.

import assert from 'node:assert/strict'
import { backends } from '../../support/store.ts'
import { bench, crowd, type Fault, seconds, times } from '../bench.ts'
import { control } from '../control.ts'
import { proxy } from '../proxy.ts'

const TIMEOUT_SECONDS = 1
/** How often each user must succeed after it. */
const again = (long: boolean) => (long ? 20 : 5)
/** More than there are lanes, so that one which is stuck would be missed. */
const AFTERWARDS = 64

/** Two batches of reads, two of writes, one of locked rows, a prune. */
const STATEMENTS_AT_ONCE = 6
/** The pauses between attempts grow to a quarter of a second, of which chance may take half. */
const LEAST_PAUSE_MS = 125
/** Soon after its last attempt a statement ends by the timeout, and the next one begins without a pause. */
const LEAST_STATEMENT_MS = TIMEOUT_SECONDS * 1000 - 250
/** The pauses before they have grown, and connections from before the fault that were accepted late. */
const OTHER_ATTEMPTS = 8

/** How many connections the pauses allow in this time. Without pauses there are hundreds in a second. */
const allowedAttempts = (ms: number) =>
  STATEMENTS_AT_ONCE * (1 + ms / LEAST_PAUSE_MS + ms / LEAST_STATEMENT_MS) + OTHER_ATTEMPTS

export const networkFaults: Fault[] = (['hole', 'shut', 'silent', 'cut'] as const).map((mode) => ({
  promise: {
    hole: 'a black hole: every operation ends by the timeout, and after it every lane works',
    shut: 'connections that are accepted and closed: the same, with a bounded number of attempts',
    silent: 'connections that are accepted and never answered: the same',
    cut: 'connections that are reset in the middle of an answer: the same',
  }[mode],
  seconds: { short: 120, long: 180 },
  run: (long, tls) =>
    bench(tls, async ({ server, sql, address, app, during }) => {
      const between = await proxy(server.url)
      try {
        const users = app({ conString: address(between.url), timeout: TIMEOUT_SECONDS })
        await users.begin(crowd(long))
        let recoveryMs = 0
        let perSecond = 0
        const round = async () => {
          const before = between.accepted
          const began = performance.now()
          between.become(mode)
          if (mode === 'shut' || mode === 'silent')
            for (const pid of await backends(sql)) await sql`select pg_terminate_backend(${pid})`
          // While it goes on, everybody is told so.
          await Promise.all([users.everybody(1, 'answered'), seconds(long ? 3 : TIMEOUT_SECONDS * 1.5)])
          const attempts = between.accepted - before
          const ms = performance.now() - began
          assert.ok(attempts < allowedAttempts(ms), `${attempts} attempts in ${ms} ms`)
          perSecond = Math.max(perSecond, (attempts / ms) * 1000)
          between.become('pass')
          recoveryMs = Math.max(recoveryMs, await users.recovered())
          await users.everybody(again(long), 'succeeded')
          const beside = control(between.url)
          try {
            await users.allSucceed(AFTERWARDS, TIMEOUT_SECONDS * 500, beside.slowestMs)
          } finally {
            await beside.end()
          }
        }
        const report = await during(users, () => times(long ? 5 : 1, round))
        assert.deepEqual(
          Object.keys(report.failed).filter((code) => code !== 'STORE_TIMEOUT'),
          [],
        )
        // What is late by more has not been told by its deadline, but by a machine that stood still.
        const late = TIMEOUT_SECONDS * 5000 + report.stalledMs
        assert.ok(report.slowestMs < late, `one took ${report.slowestMs} ms`)
        return {
          rounds: [
            `${long ? '5 times 3' : 'once for 1.5'} s, at most ${Math.ceil(perSecond)} connections in a second`,
            `then ${again(long)} successes of each user`,
          ].join('; '),
          report,
          recoveryMs,
        }
      } finally {
        await between.close()
      }
    }),
}))
