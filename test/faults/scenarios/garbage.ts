// A server that is not to be trusted.

import assert from 'node:assert/strict'
import { inspect } from 'node:util'
import { worker } from '../../support/processes.ts'
import { within } from '../../support/promise.ts'
import type { Fault } from '../bench.ts'

export const garbage: Fault[] = [
  {
    promise:
      'a server that answers garbage, cuts messages, swaps rows or closes at any byte: right answers or clear errors',
    seconds: { short: 120, long: 900 },
    async run(long, tls) {
      const runs = long ? 10_000 : 200
      const seed = long && !process.env['CI'] ? Date.now() % 1_000_000 : 4
      const misbehaved = await misbehaviours({ runs, seed, over: tls ? 'TLS' : 'plaintext' })
      assert.ok(misbehaved > runs / 3, `it misbehaved in ${misbehaved} of ${runs} runs`)
      const report = { answered: runs, failed: {}, wrong: [], slowestMs: 0 }
      return {
        rounds: `${runs} random runs from seed ${seed}, in ${misbehaved} of them it misbehaved`,
        report,
      }
    },
  },
]

/** @throws with the run in which the process ended, or hung */
async function misbehaviours(task: object): Promise<number> {
  const child = worker('fuzz', task)
  let last: unknown
  try {
    for (;;) {
      const { misbehaved, run } = await within(30, () => child.next())
      if (misbehaved === undefined) last = run
      else {
        await child.end()
        return misbehaved
      }
    }
  } catch (error) {
    await child.end(0).catch(() => {})
    throw new Error(`In the run ${inspect(last, { depth: null })}: ${(error as Error).message}`)
  }
}
