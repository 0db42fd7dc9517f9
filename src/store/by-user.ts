// The calls that concern the sessions of one user. Promises that each sees what was issued before it on the
// user's sessions, and that only sessions are given out or destroyed in which the user's id stands. Must not
// know Express, callbacks or the driver.

import { now } from '../clock.ts'
import type { Events } from '../events.ts'
import { Turns } from '../queue/turns.ts'
import { type Entry, entries } from '../session/entries.ts'
import { endOf } from '../session/lifetime.ts'
import { logouts } from '../session/logouts.ts'
import type { Reader } from '../session/reader.ts'
import {
  checkDestroyOptions,
  checkUserId,
  type DestroyByUserOptions,
  isOfUser,
  lastToEndFirst,
  type Spared,
  sidsToDestroy,
  type UserId,
  type UserRow,
} from '../session/user.ts'
import type { Settings } from '../settings/settings.ts'
import type { Table } from '../table/table.ts'
import type { UserRows } from '../table/user-rows.ts'
import type { Calls } from './calls.ts'
import type { OperationQueue } from './operation-queue.ts'
import { UserSearch } from './user-search.ts'

// How many sessions of a user are destroyed at once. There is a limit to how many operations may wait.
const SIDS_AT_A_TIME = 1000

type UserSettings = Pick<Settings, 'userIdPath' | 'serializer' | 'maxLifetime' | 'errorLog' | 'max'>

export class ByUser {
  readonly #table: Table
  readonly #userRows: UserRows
  readonly #queue: OperationQueue
  readonly #calls: Calls
  readonly #reader: Reader
  readonly #events: Events
  readonly #settings: UserSettings
  /** Without an index a search takes long. Connections have to be left for everything else. */
  readonly #turns: Turns
  readonly #underWay = new Set<UserSearch>()
  /** By the user's id: when all calls of `destroy` so far have ended. */
  readonly #destroyed = new Map<string, Promise<unknown>>()

  constructor(
    table: Table,
    userRows: UserRows,
    queue: OperationQueue,
    calls: Calls,
    reader: Reader,
    events: Events,
    settings: UserSettings,
  ) {
    this.#userRows = userRows
    this.#table = table
    this.#queue = queue
    this.#calls = calls
    this.#reader = reader
    this.#events = events
    this.#settings = settings
    this.#turns = new Turns(Math.max(1, settings.max >> 1))
  }

  /** To be told of each new session that is about to be stored. */
  stored(sid: string): void {
    for (const search of this.#underWay) search.stored(sid)
  }

  entries(userId: UserId): Promise<Entry[]> {
    return this.#search(userId, now(), async (search) => {
      const { errorLog } = this.#settings
      const rowsAfter = async () => (await search.rest()).map(({ row }) => row)
      const all: Entry[] = []
      // One page without a limit.
      const source = { limit: Number.POSITIVE_INFINITY, rowsAfter, reader: this.#reader, errorLog }
      for await (const entry of entries(source)) all.push(entry)
      return all
    })
  }

  ids(userId: UserId): Promise<string[]> {
    return this.#search(userId, now(), async (search) => {
      const rows = await search.rest()
      return rows.filter(isAlive).map(({ sid }) => sid)
    })
  }

  async destroy(userId: UserId, options: DestroyByUserOptions = {}): Promise<number> {
    const id = checkUserId(userId)
    const spared = checkDestroyOptions(options)
    // Rows that have expired are destroyed as well: a request that loaded one before could store it again.
    const result = this.#search(id, 0, (search, until) => this.#destroy(search, spared, until))
    this.#remember(id, result)
    return result
  }

  /** For the calls for this user that come later. */
  #remember(id: string, result: Promise<number>): void {
    const ended = Promise.allSettled([this.#destroyed.get(id), result]).then(() => {
      if (this.#destroyed.get(id) === ended) this.#destroyed.delete(id)
    })
    this.#destroyed.set(id, ended)
  }

  async #destroy(search: UserSearch, spared: Spared, until: number): Promise<number> {
    const destroying: Promise<void>[] = []
    let count = 0
    const destroy = (rows: readonly UserRow[]) => {
      const earlier = rows.filter(({ sid }) => !search.isLater(sid))
      const alive = new Set(earlier.filter(isAlive).map(({ sid }) => sid))
      const sids = sidsToDestroy(
        earlier.map(({ sid }) => sid),
        alive,
        spared,
      )
      count += sids.filter((sid) => alive.has(sid)).length
      const work = this.#destroyAll(sids, until)
      // It may fail while the others are still looked for.
      work.catch(() => {})
      destroying.push(work)
    }
    try {
      // `keep` chooses among all of them, so it has to wait until all are known.
      if (spared.keep === 0) destroy(await search.present())
      destroy(await search.rest())
    } finally {
      await Promise.allSettled(destroying)
    }
    await Promise.all(destroying)
    return count
  }

  /** Throws the first failure, after every session had its chance. */
  async #destroyAll(sids: readonly string[], until: number): Promise<void> {
    const destroy = async (sid: string) => {
      logouts.add(sid)
      try {
        await this.#queue.submit(sid, { verb: 'destroy' }, undefined, until)
      } finally {
        // As in `Sessions.destroy`.
        logouts.add(sid)
      }
      this.#events.tell('destroy', { sid })
    }
    const results: PromiseSettledResult<void>[] = []
    for (let i = 0; i < sids.length; i += SIDS_AT_A_TIME) {
      results.push(...(await Promise.allSettled(sids.slice(i, i + SIDS_AT_A_TIME).map(destroy))))
    }
    for (const result of results) if (result.status === 'rejected') throw result.reason
  }

  /** @throws TypeError, or StoreError STORE_CLOSED or STORE_BUSY */
  async #search<T>(
    userId: UserId,
    aliveAt: number,
    work: (search: UserSearch, until: number) => Promise<T>,
  ): Promise<T> {
    const id = checkUserId(userId)
    this.#calls.start()
    const until = this.#table.deadline()
    const { userIdPath } = this.#settings
    const find = () => this.#turns.run(() => this.#find(id, aliveAt, until))
    const search = new UserSearch(this.#queue, {
      ...{ id, userIdPath, until, find, destroyed: this.#destroyed.get(id) },
    })
    this.#underWay.add(search)
    // It waits itself for those writes that concern it.
    const result = this.#queue.after(() => work(search, until), [])
    return this.#calls.track(result.finally(() => this.#underWay.delete(search)))
  }

  async #find(id: string, aliveAt: number, until: number): Promise<UserRow[]> {
    const rows = await this.#userRows.find(id, aliveAt, until)
    const own = rows.filter(([, text]) => isOfUser(text, this.#settings.userIdPath, id))
    const withEnd = own.map(async (row) => ({ sid: row[0], row, end: await endOf(row, this.#settings) }))
    return lastToEndFirst(await Promise.all(withEnd))
  }
}

function isAlive({ end }: UserRow): boolean {
  return end >= now()
}
