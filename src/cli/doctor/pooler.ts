// Tells whether a pooler is in between, and in which mode. Must not know how the store works behind one.

import { monotonicMs } from '../../clock.ts'
import { Pool } from '../../connection/pool.ts'
import { Counters } from '../../tracing/counters.ts'
import { ask, type Probe, repairable } from './probe.ts'

const PROCESS = `
  select a.pid::text, pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - a.backend_start)::text
  from pg_catalog.pg_stat_activity a
  where a.pid = pg_catalog.pg_backend_pid()`

// By how much a process of the server must be older than our connection to it.
const OLDER_S = 2

export const pooler: Probe = {
  codes: ['pooler'],
  async look({ pool, settings, openedAt }) {
    const other = new Pool(settings, new Counters())
    try {
      const [mine, age] = (await ask(pool, PROCESS))[0] ?? []
      const openForS = (monotonicMs() - openedAt) / 1000
      const [others] = (await ask(other, PROCESS))[0] ?? []
      const [mineAgain] = (await ask(pool, PROCESS))[0] ?? []
      // Two connections that are open at the same time have one process each, unless they share it in turns.
      const shares = mine === others || mineAgain === others || mine !== mineAgain
      if (!shares && Number(age) <= openForS + OLDER_S) return []
      return [
        repairable({
          code: 'pooler',
          severity: 'note',
          expected: 'a connection to PostgreSQL itself',
          found: shares
            ? 'a pooler that shares connections between transactions, such as PgBouncer in transaction mode'
            : 'a pooler in session mode, or one whose mode cannot be told',
          meaning:
            'Works: the store needs nothing that lasts longer than a statement. Before PgBouncer 1.21, or ' +
            'with `max_prepared_statements = 0`, statements are prepared again and again: see ' +
            'docs/operations.md. Results must not be cached.',
        }),
      ]
    } finally {
      await other.close()
    }
  },
}
