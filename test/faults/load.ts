// Users at work, over HTTP and directly, who know what they stored: every answer is compared with what it can
// be. They catch what fails, and nothing that escapes. Knows nothing of faults.

import express from 'express'
import type { SessionData } from 'express-session'
import type { PostgresStore } from '../../src/index.ts'
import { type App, browser, serve } from '../support/app.ts'
import { sessionOf } from '../support/store.ts'
import { watchers } from './watchers.ts'

/** The numbers that a user's session may hold: null before the first, undefined where there may be no row. */
type Possible = Set<number | null | undefined>

export interface Known {
  readonly sid: string
  /** A write that failed may have been stored, until a later one is acknowledged. */
  possible: Possible
}

export interface Report {
  /** Operations and requests that were answered. */
  answered: number
  /** How many failed, by the code of the error. */
  failed: Record<string, number>
  /** What can never be: a row of somebody else, an acknowledged save that is gone, a second callback. */
  wrong: string[]
  slowestMs: number
}

export interface Load {
  readonly report: Report
  /** The ms until something has succeeded that began after `since`, which is in ms since 1970. */
  recovered(since: number): Promise<number>
  /** Resolves when each user was answered so often, to what began after now. */
  everybody(times: number, what: 'answered' | 'succeeded'): Promise<void>
  /** Ends the work, and tells what every row can be. */
  end(): Promise<Known[]>
}

export interface Crowd {
  /** Half of them over HTTP. */
  users: number
  /** How long each pauses at most after what it did. */
  pauseMs: number
}

export async function load(store: PostgresStore, { users, pauseMs }: Crowd): Promise<Load> {
  const report: Report = { answered: 0, failed: {}, wrong: [], slowestMs: 0 }
  const watching = watchers(users)
  const state = { ended: false }

  /** Counts one operation of a user; undefined if it failed. */
  const doneBy =
    (user: number): Done =>
    async (work) => {
      const began = Date.now()
      let succeeded = false
      try {
        const value = await work
        succeeded = true
        return { value }
      } catch (error) {
        const { code } = error as { code?: string }
        report.failed[code ?? String(error)] = (report.failed[code ?? String(error)] ?? 0) + 1
        return undefined
      } finally {
        report.answered++
        report.slowestMs = Math.max(report.slowestMs, Date.now() - began)
        watching.tell({ user, began, succeeded })
      }
    }

  const app = await serve({
    store,
    make: express,
    routes(app) {
      // Express would print each error that comes after an answer.
      app.set('env', 'test')
      app.get('/store', (req, res, next) => {
        Object.assign(req.session, { user: req.query['user'], n: Number(req.query['n']) })
        req.session.save((error) => (error ? next(error) : res.json({})))
      })
    },
  })
  const known: Known[] = []
  const working = Array.from({ length: users }, (_, i) => {
    const pause = () => new Promise((resume) => setTimeout(resume, Math.random() * pauseMs))
    const work = { state, done: doneBy(i), report, known, pause }
    return i % 2 ? direct(store, i, work) : overHttp(app, i, work)
  })
  return {
    report,
    recovered: watching.recovered,
    everybody: watching.everybody,
    async end() {
      state.ended = true
      await Promise.all(working)
      await app.close()
      return known
    },
  }
}

type Done = <T>(work: Promise<T>) => Promise<{ value: T } | undefined>
interface Work {
  readonly state: { readonly ended: boolean }
  readonly done: Done
  readonly report: Report
  readonly known: Known[]
  pause(): Promise<unknown>
}
const chance = (share: number) => Math.random() < share

async function direct(store: PostgresStore, i: number, work: Work): Promise<void> {
  const { state, done, report, known, pause } = work
  const sid = `direct-${i}`
  const mine: Known = { sid, possible: new Set([undefined]) }
  known.push(mine)
  const call = <T>(verb: 'get' | 'set' | 'touch' | 'destroy', ...values: unknown[]): Promise<T> =>
    new Promise((resolve, reject) => {
      let calls = 0
      ;(store[verb] as any)(sid, ...values, (error: unknown, result: T) => {
        if (++calls > 1) report.wrong.push(`${verb} called back ${calls} times`)
        if (error) reject(error)
        else resolve(result)
      })
    })
  for (let n = 1; !state.ended; n++) {
    await pause()
    const got = await done(call<(SessionData & { user?: string; n?: number }) | null>('get'))
    if (!got) continue
    const { value: found } = got
    if (found && found.user !== sid) report.wrong.push(`${sid} got the session of ${found.user}`)
    if (!mine.possible.has(found?.n)) report.wrong.push(`${sid} got ${found?.n}, not ${[...mine.possible]}`)
    if (found && chance(0.3)) await done(call('touch', found))
    else if (found && chance(0.1)) {
      mine.possible.add(undefined)
      if (await done(call('destroy'))) mine.possible = new Set([undefined])
    } else {
      const next = found ? Object.assign(found, { n }) : sessionOf({ user: sid, n })
      mine.possible.add(n)
      if (await done(call('set', next))) mine.possible = new Set([n])
    }
  }
}

async function overHttp(app: App, i: number, work: Work): Promise<void> {
  const { state, done, report, known, pause } = work
  const user = `http-${i}`
  let jar = browser()
  let mine: Known | undefined
  const ask = async (path: string) => {
    const { status, body } = await jar.get(app, path)
    if (status !== 200) throw Object.assign(new Error(body?.message), { code: body?.code ?? status })
    return body
  }
  for (let n = 1; !state.ended; n++) {
    await pause()
    if (!mine) {
      const login = await done(ask(`/login?user=${user}`))
      if (!login) continue
      mine = { sid: login.value.sid, possible: new Set([null]) }
      known.push(mine)
      continue
    }
    if (chance(0.5)) {
      mine.possible.add(n)
      if (await done(ask(`/store?user=${user}&n=${n}`))) mine.possible = new Set([n])
    } else if (chance(0.1)) {
      mine.possible.add(undefined)
      if (await done(ask('/logout'))) mine.possible = new Set([undefined])
      jar = browser()
      mine = undefined
    } else {
      const me = await done(ask('/me'))
      if (!me) continue
      const { user: found, n: seen } = me.value
      if (found !== user) report.wrong.push(`${user} was served the session of ${found}`)
      if (!mine.possible.has(seen ?? null))
        report.wrong.push(`${user} was served ${seen}, not ${[...mine.possible]}`)
    }
  }
}
