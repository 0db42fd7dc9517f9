// Logouts that meet saves of other processes.

import assert from 'node:assert/strict'
import { worker } from '../../support/processes.ts'
import { backends, sessionOf } from '../../support/store.ts'
import { bench, type Fault, seconds } from '../bench.ts'

export const logouts: Fault[] = [
  {
    promise: 'logouts of sessions that other processes save, while backends are ended: none comes back',
    seconds: { short: 120, long: 180 },
    run: (long, tls) =>
      bench(tls, async ({ server, sql, address }) => {
        const rounds = long ? 10_000 : 1000
        const sids = Array.from({ length: rounds }, (_, i) => `race-${i}`)
        await sql`
          insert into session select sid, ${JSON.stringify(sessionOf())}::text::json, now() + interval '1 hour'
          from unnest(${sids}::text[]) sid`
        const workers = Array.from({ length: 4 }, () => worker('logout', { url: address(server.url) }))
        let ended = 0
        let racing = true
        try {
          await Promise.all(workers.map((each) => each.next()))
          // Two save half of them each, two destroy half of them each.
          const half = (i: number) => sids.filter((_, n) => n % 2 === i)
          const all = (verbs: string[]) =>
            Promise.all(
              workers.map((each, i) => {
                each.tell({ verb: verbs[i] as string, sids: half(i % 2) })
                return each.next()
              }),
            )
          const loaded = [workers[0], workers[1]].map((each, i) => {
            each?.tell({ verb: 'load', sids: half(i) })
            return each?.next()
          })
          assert.deepEqual(await Promise.all(loaded), [rounds / 2, rounds / 2])
          const kills = (async () => {
            while (racing) {
              const [victim] = await backends(sql)
              if (victim) ended += (await sql`select pg_terminate_backend(${victim})`).length
              await seconds(0.05)
            }
          })()
          const succeeded = await all(['save', 'save', 'destroy', 'destroy'])
          racing = false
          await kills
          assert.deepEqual(succeeded, Array(4).fill(rounds / 2))
        } finally {
          racing = false
          await Promise.all(workers.map((each) => each.end()))
        }
        assert.equal((await sql`select from session where sid like 'race-%'`).length, 0)
        assert.ok(ended > 5, `only ${ended} ended`)
        const report = { answered: 2 * rounds, failed: {}, wrong: [], slowestMs: 0 }
        return { rounds: `${rounds} logouts, ${ended} backends ended`, report }
      }),
  },
]
