// Each fault, and what must be true of a load that goes on meanwhile. Every one is short in `npm test` and long in
// `npm run test:faults`. Knows the store as an app does.

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import postgres, { type Sql } from 'postgres'
import type { Options, PostgresStore } from '../../src/index.ts'
import { tableSql } from '../support/database.ts'
import { noSmallDisk, smallDisk } from '../support/disk.ts'
import { noPooler, startPooler } from '../support/pgbouncer.ts'
import { startPostgres } from '../support/postgres.js'
import { worker } from '../support/processes.ts'
import { within } from '../support/promise.ts'
import { backends, Store, sessionOf } from '../support/store.ts'
import { fuzz } from './fuzz.ts'
import { type Load, load, type Report } from './load.ts'
import { proxy } from './proxy.ts'

export interface Outcome {
  /** What was done, and how often. */
  rounds: string
  report: Report
  /** Between the end of the fault and the first success that began after it; of several the longest. */
  recoveryMs?: number
}

export interface Scenario {
  promise: string
  seconds: { short: number; long: number }
  /** Why it cannot be run here, if it cannot. */
  missing?(): string | undefined
  run(long: boolean): Promise<Outcome>
}

const seconds = (count: number) => new Promise((resume) => setTimeout(resume, count * 1000))

interface Bench {
  server: Awaited<ReturnType<typeof startPostgres>>
  sql: Sql
  store(options?: Options): PostgresStore
}

const SERVER_FLAGS = ['-c', 'timezone=America/St_Johns', '-c', 'fsync=off']

/** A server of its own for as long as `use` runs. Raw SQL survives what the server goes through. */
async function bench<T>(use: (bench: Bench) => Promise<T>, flags: string[] = []): Promise<T> {
  const server = await startPostgres({
    own: true,
    flags: [...SERVER_FLAGS, ...flags],
  })
  const sql = postgres(server.url, { max: 2, onnotice() {}, backoff: () => 0.1 })
  const stores: PostgresStore[] = []
  try {
    await sql.unsafe(tableSql)
    return await use({
      server,
      sql,
      store(options) {
        const store = new Store({ conString: server.url, pruneSessionInterval: 1, errorLog() {}, ...options })
        stores.push(store)
        return store
      },
    })
  } finally {
    // Ends within its timeout, of 10 s at most, also after all this; what it leaves open would keep the process.
    await within(15, () => Promise.all(stores.map((store) => store.close())))
    await sql.end({ timeout: 1 })
    await server.stop()
  }
}

/** Ends the load, whatever happened. */
async function during(users: Load, sql: Sql, faults: () => Promise<void>): Promise<Report> {
  try {
    await seconds(0.3)
    await faults()
    await seconds(0.3)
  } finally {
    await users.end(sql)
  }
  assert.deepEqual(users.report.wrong, [])
  return users.report
}

const times = async (count: number, work: (i: number) => Promise<void>) => {
  for (let i = 0; i < count; i++) await work(i)
}

/** How long until something succeeds again. */
async function recovery(users: Load): Promise<number> {
  const since = Date.now()
  await users.recovered()
  return Date.now() - since
}

/** How many succeed. */
async function answeredIn(count: number, { report }: Load): Promise<number> {
  const succeeded = () => report.answered - Object.values(report.failed).reduce((sum, each) => sum + each, 0)
  const before = succeeded()
  await seconds(count)
  return succeeded() - before
}

/** From now on the server acknowledges nothing that its standby does not have. Restarts it for that. */
async function synchronousStandby(server: Bench['server']): Promise<Bench['server']> {
  await server.down('SIGINT')
  const standby = await startPostgres({ own: true, follow: server, flags: SERVER_FLAGS })
  await server.up()
  const admin = postgres(server.url, { max: 1 })
  await admin`alter system set synchronous_standby_names = '*'`
  await admin`select pg_reload_conf()`
  await admin.end()
  return standby
}

/** Also while its recovery takes away what the question needs. */
const stillStandby = async (sql: Sql) =>
  (await sql`select pg_is_in_recovery() as so`.catch(() => undefined))?.[0]?.['so'] ?? true

export const scenarios: Scenario[] = [
  {
    promise: 'a random backend ended every 100 ms by pg_terminate_backend: no request fails, no save is lost',
    seconds: { short: 30, long: 90 },
    run: (long) =>
      bench(async ({ sql, store }) => {
        let ended = 0
        const report = await during(await load(store()), sql, () =>
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
    seconds: { short: 40, long: 120 },
    run: (long) =>
      bench(async ({ sql, store }) => {
        const count = long ? 4 : 1
        let worst = 0
        const users = await load(store())
        const report = await during(users, sql, () =>
          times(count, async () => {
            const [victim] = await backends(sql)
            process.kill(victim as number, 'SIGKILL')
            worst = Math.max(worst, await recovery(users))
            await seconds(long ? 5 : 0.5)
          }),
        )
        assert.deepEqual(report.failed, {})
        return { rounds: `${count} crashes`, report, recoveryMs: worst }
      }),
  },
  ...(['SIGINT', 'SIGQUIT'] as const).map((signal) => ({
    promise: `the server restarted, ${signal === 'SIGINT' ? 'fast' : 'immediate'}: requests wait for it, no save is lost`,
    seconds: { short: 40, long: 120 },
    run: (long: boolean) =>
      bench(async ({ server, sql, store }) => {
        const count = long ? 3 : 1
        let worst = 0
        const users = await load(store())
        const report = await during(users, sql, () =>
          times(count, async () => {
            await server.down(signal)
            await seconds(1)
            await server.up()
            worst = Math.max(worst, await recovery(users))
            await seconds(0.5)
          }),
        )
        assert.deepEqual(report.failed, {})
        return { rounds: `${count} restarts`, report, recoveryMs: worst }
      }),
  })),
  {
    promise: 'a server that is away for longer than the timeout: STORE_TIMEOUT, then all is well again',
    seconds: { short: 40, long: 60 },
    run: (long) =>
      bench(async ({ server, sql, store }) => {
        const users = await load(store({ timeout: 1 }))
        let recoveryMs = 0
        const report = await during(users, sql, async () => {
          await server.down('SIGINT')
          await seconds(long ? 10 : 2)
          await server.up()
          recoveryMs = await recovery(users)
        })
        assert.deepEqual(Object.keys(report.failed), ['STORE_TIMEOUT'])
        return { rounds: 'once', report, recoveryMs }
      }),
  },
  {
    promise: 'a server that is not there when the app starts: requests wait, and the table is created',
    seconds: { short: 40, long: 40 },
    run: () =>
      bench(async ({ server, sql, store }) => {
        await sql`drop table session`
        await server.down('SIGINT')
        const users = await load(store({ createTableIfMissing: true }))
        let recoveryMs = 0
        const report = await during(users, sql, async () => {
          await seconds(1)
          await server.up()
          recoveryMs = await recovery(users)
        })
        assert.deepEqual(report.failed, {})
        return { rounds: 'once', report, recoveryMs }
      }),
  },
  ...(['one address', 'two hosts'] as const).map((way) => ({
    promise: `the primary lost and its standby promoted, ${way}: requests wait for it, no acknowledged save is lost`,
    seconds: { short: 60, long: 120 },
    run: (long: boolean) =>
      bench(async ({ server, store }) => {
        const standby = await synchronousStandby(server)
        const sql = postgres(standby.url, { max: 2, onnotice() {} })
        const [first, second] = [await proxy(standby.url), await proxy(server.url)]
        try {
          // The standby first. It answers reads, and what it answers is old.
          const both = first.url.replace(/\/postgres$/, `,127.0.0.1:${new URL(second.url).port}$&`)
          await sql`select pg_wal_replay_pause()`
          const users = await load(store({ conString: way === 'one address' ? second.url : both }))
          let recoveryMs = 0
          const report = await during(users, sql, async () => {
            await seconds(long ? 10 : 1)
            await server.down('SIGQUIT')
            // It leads to a server that reads and does not write, until that one is promoted.
            if (way === 'one address') second.to(standby.url)
            await seconds(1)
            await sql`select pg_promote(false)`
            while (await stillStandby(sql)) await seconds(0.01)
            recoveryMs = await recovery(users)
            await seconds(long ? 10 : 1)
          })
          assert.deepEqual(report.failed, {})
          return { rounds: 'once', report, recoveryMs }
        } finally {
          await Promise.all([first.close(), second.close()])
          await sql.end({ timeout: 1 })
          await standby.stop()
        }
      }),
  })),
  ...(['hole', 'shut', 'silent', 'cut'] as const).map((mode) => ({
    promise: {
      hole: 'a black hole: every operation ends by the timeout, and after it every lane works',
      shut: 'connections that are accepted and closed: the same, with a bounded number of attempts',
      silent: 'connections that are accepted and never answered: the same',
      cut: 'connections that are reset in the middle of an answer: the same',
    }[mode],
    seconds: { short: 40, long: 90 },
    run: (long: boolean) =>
      bench(async ({ server, sql, store }) => {
        const between = await proxy(server.url)
        try {
          const timeout = 1
          const through = store({ conString: between.url, timeout })
          const users = await load(through)
          let recoveryMs = 0
          let attempts = 0
          let slowest = 1
          const report = await during(users, sql, async () => {
            await times(long ? 5 : 1, async () => {
              const usual = await answeredIn(1, users)
              const before = between.accepted
              between.become(mode)
              if (mode === 'shut' || mode === 'silent')
                for (const pid of await backends(sql)) await sql`select pg_terminate_backend(${pid})`
              await seconds(3)
              attempts = Math.max(attempts, between.accepted - before)
              between.become('pass')
              recoveryMs = Math.max(recoveryMs, await recovery(users))
              await seconds(1)
              // At full speed again. They pause between their requests, so a machine that is busy hardly shows.
              slowest = Math.min(slowest, (await answeredIn(1, users)) / usual)
              // More than there are lanes, so that one which is stuck would be missed.
              await Promise.all(
                Array.from({ length: 64 }, (_, i) => through.set(`after-${i}`, sessionOf({ user: 'after' }))),
              )
            })
          })
          assert.deepEqual(
            Object.keys(report.failed).filter((code) => code !== 'STORE_TIMEOUT'),
            [],
          )
          // 4 connections, each of which pauses a quarter of a second at most, for 3 seconds.
          assert.ok(attempts < 150, `${attempts} attempts`)
          assert.ok(slowest > 0.5, `${slowest} of the rate before`)
          // What is late by more has not been told by its deadline.
          assert.ok(report.slowestMs < timeout * 1000 * 2.5, `one took ${report.slowestMs} ms`)
          return {
            rounds: `${long ? 5 : 1} times 3 s, at most ${attempts} connections in one; then ${Math.round(slowest * 100)} % of the rate before`,
            report,
            recoveryMs,
          }
        } finally {
          await between.close()
        }
      }),
  })),
  {
    promise: 'no connection left for the store: its operations wait until there is one',
    seconds: { short: 40, long: 40 },
    run: () =>
      bench(
        async ({ server, sql, store }) => {
          const others = postgres(server.url, { max: 12, onnotice() {} })
          const held = Array.from({ length: 12 }, () => others.reserve())
          await Promise.race([Promise.all(held), seconds(2)])
          const users = await load(store())
          let recoveryMs = 0
          const report = await during(users, sql, async () => {
            await seconds(1)
            await others.end({ timeout: 0 })
            recoveryMs = await recovery(users)
          })
          assert.deepEqual(report.failed, {})
          return { rounds: 'once', report, recoveryMs }
        },
        ['-c', 'max_connections=16', '-c', 'superuser_reserved_connections=2'],
      ),
  },
  ...(['prepared statements', 'none prepared'] as const).map((way) => ({
    promise: `PgBouncer in transaction mode, 200 users at once, ${way}: no request fails, no wrong row`,
    seconds: { short: 40, long: 60 },
    missing: noPooler,
    run: (long: boolean) =>
      bench(async ({ server, sql, store }) => {
        const pooler = await startPooler(server.url, 2)
        const prepare = way === 'prepared statements'
        const instance = postgres(pooler.url, { prepare, onnotice() {} })
        try {
          const report = await during(await load(store({ postgres: instance }), 200), sql, async () => {
            await seconds(long ? 20 : 2)
          })
          assert.deepEqual(report.failed, {})
          return { rounds: pooler.version, report }
        } finally {
          await instance.end()
          await pooler.stop()
        }
      }),
  })),
  {
    promise: 'logouts of sessions that other processes save, while backends are ended: none comes back',
    seconds: { short: 40, long: 90 },
    run: (long) =>
      bench(async ({ server, sql }) => {
        const rounds = long ? 10_000 : 1000
        const sids = Array.from({ length: rounds }, (_, i) => `race-${i}`)
        await sql`
          insert into session select sid, ${JSON.stringify(sessionOf())}::text::json, now() + interval '1 hour'
          from unnest(${sids}::text[]) sid`
        const workers = Array.from({ length: 4 }, () => worker('logout', { url: server.url }))
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
  {
    promise:
      'a server that answers garbage, cuts messages, swaps rows or closes at any byte: right answers or clear errors',
    seconds: { short: 60, long: 600 },
    async run(long) {
      const runs = long ? 10_000 : 500
      const seed = long && !process.env['CI'] ? Date.now() % 1_000_000 : 4
      const { misbehaved } = await fuzz(runs, seed)
      assert.ok(misbehaved > runs / 3, `it misbehaved in ${misbehaved} of ${runs} runs`)
      const report = { answered: runs, failed: {}, wrong: [], slowestMs: 0 }
      return {
        rounds: `${runs} random runs from seed ${seed}, in ${misbehaved} of them it misbehaved`,
        report,
      }
    },
  },
  {
    promise:
      'a statement_timeout shorter than the wait for a locked row: 57014 for that row, no other operation fails',
    seconds: { short: 40, long: 60 },
    run: (long) =>
      bench(async ({ server, sql, store }) => {
        // Long enough for a statement of a machine that is busy.
        const mine = store({ conString: `${server.url}?statement_timeout=200` })
        await mine.set('locked', sessionOf({ user: 'locked', n: 0 }))
        const users = await load(mine)
        const codes = new Set<string>()
        const report = await during(users, sql, () =>
          sql
            .begin(async (holder) => {
              await holder`select from session where sid = 'locked' for update`
              await times(long ? 50 : 5, () =>
                mine.set('locked', sessionOf()).then(
                  () => void codes.add('stored'),
                  ({ code }) => void codes.add(code),
                ),
              )
            })
            .then(() => mine.set('locked', sessionOf({ user: 'locked', n: 1 }))),
        )
        assert.deepEqual([...codes], ['57014'])
        assert.deepEqual(report.failed, {})
        return { rounds: `${long ? 50 : 5} statements ended`, report }
      }),
  },
  {
    promise:
      'a disk that is full: 53100 for what needs room, and reads go on; all is well when there is room again',
    seconds: { short: 40, long: 60 },
    missing: noSmallDisk,
    run: (long) =>
      bench(async ({ server, sql, store }) => {
        const disk = await smallDisk(server.data, 8)
        try {
          await sql.unsafe(`create tablespace small location '${disk.path}'`)
          await sql`alter table session set tablespace small`
          await sql`alter index session_pkey set tablespace small`
          const mine = store()
          const users = await load(mine)
          let recoveryMs = 0
          const report = await during(users, sql, async () => {
            disk.fill()
            // Each is new, and larger than what the users leave behind.
            const large = Array.from({ length: 50 }, (_, i) =>
              mine.set(`large-${i}`, sessionOf({ text: randomBytes(50_000).toString('hex') })),
            )
            const codes = (await Promise.allSettled(large)).map(
              (each) => each.status === 'rejected' && each.reason.code,
            )
            assert.ok(codes.includes('53100'), `${codes}`)
            assert.ok(await mine.length())
            await seconds(long ? 10 : 1)
            disk.free()
            recoveryMs = await recovery(users)
            await mine.set('after', sessionOf({ text: randomBytes(50_000).toString('hex') }))
          })
          assert.deepEqual(
            Object.keys(report.failed).filter((code) => code !== '53100'),
            [],
          )
          return { rounds: 'once', report, recoveryMs }
        } finally {
          await server.down('SIGQUIT')
          disk.close()
        }
      }),
  },
  {
    promise: 'a row locked by somebody else: only operations on it wait',
    seconds: { short: 40, long: 60 },
    run: (long) =>
      bench(async ({ sql, store }) => {
        const mine = store()
        await mine.set('locked', sessionOf({ user: 'locked', n: 0 }))
        const users = await load(mine)
        let waiting: Promise<unknown> | undefined
        let slowest = 0
        const report = await during(users, sql, async () => {
          await sql.begin(async (holder) => {
            await holder`select from session where sid = 'locked' for update`
            waiting = mine.set('locked', sessionOf({ user: 'locked', n: 1 })).catch((error) => error)
            await seconds(long ? 30 : 2)
            slowest = users.report.slowestMs
          })
        })
        const outcome = (await waiting) as { code?: string } | undefined
        assert.equal(outcome?.code, long ? 'STORE_TIMEOUT' : undefined)
        assert.deepEqual(report.failed, {})
        assert.ok(slowest < (long ? 30 : 2) * 1000, `another operation waited for the lock: ${slowest} ms`)
        return { rounds: `one row for ${long ? 30 : 2} s`, report }
      }),
  },
]
