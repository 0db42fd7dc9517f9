// What every fault needs: a server of its own, over plaintext or TLS, an app with users in a process of its
// own, raw SQL.

import assert from 'node:assert/strict'
import { setTimeout as pause } from 'node:timers/promises'
import postgres, { type Sql } from 'postgres'
import type { Options } from '../../src/options.ts'
import { type Certificate, certificate } from '../support/certificate.ts'
import { tableSql } from '../support/database.ts'
import { backends } from '../support/store.ts'
import { ownServer } from '../support/template.ts'
import type { Crowd, Report } from './load.ts'
import { type Seen, type Task, type Users, users } from './users.ts'

export interface Outcome {
  /** What was done, and how often. */
  rounds: string
  report: Report
  /** Between the end of the fault and the first success that began after it; of several the longest. */
  recoveryMs?: number
}

/** A fault, and what must be true of a load that goes on meanwhile. */
export interface Fault {
  promise: string
  seconds: { short: number; long: number }
  /** Why it cannot be run here, if it cannot. */
  missing?(): string | undefined
  run(long: boolean, tls: boolean): Promise<Outcome>
}

/** Who is at work. In `npm test`, where two cores have other tests to run, fewer, who rest longer. */
export const crowd = (long: boolean): Crowd =>
  long ? { users: 64, pauseMs: 10 } : { users: 16, pauseMs: 40 }

export const seconds = (count: number) => pause(count * 1000)

export const times = async (count: number, work: (i: number) => Promise<void>) => {
  for (let i = 0; i < count; i++) await work(i)
}

type Server = Awaited<ReturnType<typeof ownServer>>

export interface Bench {
  readonly server: Server
  /** Plain. Survives what the server goes through. */
  readonly sql: Sql
  /** Of the server, where it has one. */
  readonly certificate: Certificate | undefined
  /** As the store is given it: where the server has a certificate, it is verified. */
  address(url: string): string
  /** A store that nobody uses yet. */
  app(options?: Options, instance?: Task['instance']): Users
  /**
   * Another server, which follows this one. Restarts it for that, which then acknowledges nothing that the
   * standby does not have.
   */
  standby(): Promise<Server>
  /** Ends the work, and tells what was seen. @param sql to where the rows are then */
  during(users: Users, faults: () => Promise<void>, sql?: Sql): Promise<Seen>
}

/** Has a server for as long as `use` runs. */
export async function bench<T>(
  tls: boolean,
  use: (bench: Bench) => Promise<T>,
  flags: string[] = [],
): Promise<T> {
  const own = tls ? { certificate: await certificate() } : {}
  const server = await ownServer({ flags, ...own })
  const sql = postgres(server.url, { max: 2, onnotice() {}, backoff: () => 0.1 })
  const apps: Users[] = []
  const address = (url: string) =>
    tls
      ? `${url}${url.includes('?') ? '&' : '?'}sslmode=verify-full&sslrootcert=${server.data}/server.crt`
      : url
  try {
    await sql.unsafe(tableSql)
    const outcome = await use({
      server,
      sql,
      certificate: own.certificate,
      address,
      app(options, instance) {
        const where = instance ? {} : { conString: address(server.url) }
        const task = {
          options: { ...where, pruneSessionInterval: 1, ...options },
          ...(instance && { instance }),
        }
        const app = users(task)
        apps.push(app)
        return app
      },
      async standby() {
        await server.down('SIGINT')
        const standby = await ownServer({ follow: server, ...own })
        await server.up()
        const admin = postgres(server.url, { max: 1 })
        await admin`alter system set synchronous_standby_names = '*'`
        await admin`select pg_reload_conf()`
        await admin.end()
        return standby
      },
      async during(users, faults, then = sql) {
        await seconds(0.3)
        await faults()
        // Nobody is left out.
        await users.everybody(2, 'succeeded')
        assert.deepEqual(await encryptions(then), [tls])
        const report = await users.end(then)
        assert.deepEqual(report.wrong, [])
        return report
      },
    })
    await Promise.all(apps.map((app) => app.close()))
    return outcome
  } finally {
    await Promise.allSettled(apps.map((app) => app.close()))
    await sql.end({ timeout: 1 })
    await server.stop()
  }
}

/**
 * Whether the store's connections are encrypted: one or both of true and false. On a busy machine a statement can end
 * late, and for a moment all of them are about to be opened anew.
 */
async function encryptions(sql: Sql): Promise<boolean[]> {
  for (;;) {
    const rows = await sql`
      select distinct ssl from pg_stat_activity join pg_stat_ssl using (pid)
      where pid = any(${await backends(sql)}) and query not like '%pg_stat_%'`
    if (rows.length > 0) return rows.map(({ ssl }) => ssl)
    await seconds(0.02)
  }
}
