// Compares the clock of this machine with that of the server. Must not know what the clocks decide.

import { monotonicMs } from '../../clock.ts'
import { ask, type Probe, repairable } from './probe.ts'

// The store rounds expiries to seconds.
const TOLERATED_S = 2

const TIMES = 3

export const clock: Probe = {
  codes: ['clock-skew'],
  async look({ pool }) {
    let best = { aheadS: 0, doubtS: Number.POSITIVE_INFINITY }
    for (let i = 0; i < TIMES; i++) {
      const before = Date.now() / 1000
      const began = monotonicMs()
      const [row] = await ask(pool, `select date_part('epoch', clock_timestamp())::text`)
      const doubtS = (monotonicMs() - began) / 2000
      if (doubtS < best.doubtS) best = { aheadS: Number(row?.[0]) - before - doubtS, doubtS }
    }
    const { aheadS, doubtS } = best
    if (Math.abs(aheadS) - doubtS <= TOLERATED_S) return []
    return [
      repairable({
        code: 'clock-skew',
        severity: 'warning',
        expected: 'the same time here and on the server',
        found: `the server is ${Math.abs(aheadS).toFixed(1)} seconds ${aheadS > 0 ? 'ahead' : 'behind'}`,
        meaning:
          'The clocks of the processes decide when sessions end: processes on machines with different ' +
          'times do not agree on it, and one that is ahead prunes what others still serve. Both stores do ' +
          'so. Which of the two clocks is wrong cannot be told from here: set both by NTP.',
      }),
    ]
  },
}
