// Rows that somebody else keeps locked.

import assert from 'node:assert/strict'
import { againIfStalled } from '../../support/stall.ts'
import { sessionOf } from '../../support/store.ts'
import { type Bench, bench, crowd, type Fault, seconds, times } from '../bench.ts'
import { control } from '../control.ts'

export const lockFaults: Fault[] = [
  {
    promise:
      'a statement_timeout shorter than a trigger takes for one session: 57014 for that one, no other operation fails',
    seconds: { short: 120, long: 180 },
    run(long, tls) {
      let stalledMs = () => 0
      const run = async ({ server, sql, address, app, during }: Bench) => {
        await sql.unsafe(`
          create function dawdle() returns trigger language plpgsql as
            $$ begin if new.sess->>'user' = 'slow' then perform pg_sleep(5); end if; return new; end $$;
          create trigger dawdling before insert or update on session for each row execute function dawdle()`)
        // Long enough for a statement of a few users, unless the machine stands still.
        const users = app({ conString: address(`${server.url}?statement_timeout=1000`) })
        const { store } = users
        await users.begin({ ...crowd(long), users: 16 })
        const rounds = long ? 20 : 1
        const codes = new Set<string>()
        const beside = control(server.url)
        stalledMs = beside.slowestMs
        const report = await during(users, () =>
          times(rounds, () =>
            store.set('slow', sessionOf({ user: 'slow' })).then(
              () => void codes.add('stored'),
              ({ code }) => void codes.add(code),
            ),
          ),
        ).finally(beside.end)
        assert.deepEqual([...codes], ['57014'])
        assert.deepEqual(report.failed, {})
        return { rounds: `${rounds} statements ended, 16 users`, report }
      }
      return againIfStalled(
        500,
        () => stalledMs(),
        () => bench(tls, run),
      )
    },
  },
  {
    promise: 'a row locked by somebody else: only operations on it wait',
    seconds: { short: 120, long: 180 },
    run: (long, tls) =>
      bench(tls, async ({ sql, app, during }) => {
        // Longer than the lock is held, or shorter.
        const users = app({ timeout: long ? 10 : 40 })
        await users.store.set('locked', sessionOf({ user: 'locked', n: 0 }))
        await users.begin(crowd(long))
        let waiting: Promise<{ code?: string } | undefined> | undefined
        const report = await during(users, () =>
          sql.begin(async (holder) => {
            await holder`select from session where sid = 'locked' for update`
            waiting = users.store.set('locked', sessionOf({ user: 'locked', n: 1 })).then(
              () => undefined,
              (error) => error,
            )
            // Nobody else waits for its end.
            await Promise.all([users.everybody(5, 'succeeded'), seconds(long ? 30 : 2)])
            await users.everybody(5, 'succeeded')
          }),
        )
        assert.equal((await waiting)?.code, long ? 'STORE_TIMEOUT' : undefined)
        assert.deepEqual(report.failed, {})
        return { rounds: `one row for ${long ? 30 : 2} s`, report }
      }),
  },
]
