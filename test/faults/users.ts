// The load in a process of its own, as seen from where the faults are made. An error that escapes there ends
// it, and with it whatever is waited for here. Compares every row in the end.

import type { Sql } from 'postgres'
import type { PostgresStore } from '../../src/index.ts'
import type { Options } from '../../src/options.ts'
import { worker } from '../support/processes.ts'
import { within } from '../support/promise.ts'
import { againIfStalled } from '../support/stall.ts'
import type { Crowd, Known, Load, Report } from './load.ts'

export interface Task {
  options: Options
  /** For a store that is given one. */
  instance?: { url: string; options: object }
}

export interface Seen extends Report {
  /** For how long the machine stood still at worst. */
  stalledMs: number
}

export interface Users extends Pick<Load, 'everybody'> {
  /** The one that they use. */
  readonly store: Pick<PostgresStore, 'set' | 'length'>
  /** Sets them to work. */
  begin(crowd: Crowd): Promise<void>
  /**
   * Saves and gets, so many at once on all lanes, succeed. Where one fails while the machine stood still for
   * `toleratedMs`, all are done again.
   * @param controlMs how long somebody else's work took, which waits for the same machine and server
   */
  allSucceed(count: number, toleratedMs: number, controlMs: () => number): Promise<void>
  /** How long, in ms, until something succeeds that began after now. */
  recovered(): Promise<number>
  /** What was seen so far. */
  report(): Promise<Seen>
  /** Ends the work, and compares every row. */
  end(sql: Sql): Promise<Seen>
  /** Ends the process, which must end by itself. */
  close(): Promise<void>
}

const ANSWER_SECONDS = 90

export function users(task: Task): Users {
  const child = worker('users', task)
  const waiting = new Map<number, { resolve(value: any): void; reject(error: unknown): void }>()
  let ended: unknown
  const ready = child.next()
  const listening = (async () => {
    await ready
    for (;;) {
      const { id, value, error } = await child.next()
      const asked = waiting.get(id)
      waiting.delete(id)
      if (error) asked?.reject(Object.assign(new Error(error.message), error))
      else asked?.resolve(value)
    }
  })().catch((error) => {
    ended = error
    for (const { reject } of waiting.values()) reject(error)
  })
  let asked = 0
  const send = async (question: string, values: unknown[]) => {
    await ready
    return new Promise<any>((resolve, reject) => {
      if (ended) return reject(ended)
      waiting.set(++asked, { resolve, reject })
      child.tell({ id: asked, ask: question, values })
    })
  }
  // For a process that hangs.
  const ask = <T>(question: string, ...values: unknown[]) =>
    within<T>(ANSWER_SECONDS, () => send(question, values))
  return {
    store: {
      set: (sid: string, session: unknown) => ask<void>('set', sid, session),
      length: () => ask<number>('length'),
    } as Users['store'],
    begin: (crowd) => ask('begin', crowd),
    allSucceed: (count, toleratedMs, controlMs) =>
      againIfStalled(
        toleratedMs,
        async () => Math.max(await ask<number>('stalledMs'), controlMs()),
        () => ask('allSucceed', count),
      ),
    recovered: () => ask('recovered', Date.now()),
    everybody: (times, what) => ask('everybody', times, what),
    report: () => ask('report'),
    async end(sql) {
      const known = await ask<Known[]>('end')
      const report = await ask<Seen>('report')
      const rows = await sql`select sid, (sess->>'n')::int as n from session`
      const held = new Map(rows.map(({ sid, n }) => [sid, n]))
      for (const { sid, possible } of known) {
        const n = held.get(sid)
        if (!possible.has(n)) report.wrong.push(`the row holds ${n}, not ${[...possible]}`)
      }
      return report
    },
    async close() {
      await child.end()
      await listening
    },
  }
}
