// The index on user ids: its name, its definition and its creation. Promises that any number of processes
// can create it at once while the table is in use, that one which a failed build has left is built anew, and
// that nothing is dropped. Must not know how a statement is sent.
//
// Two builds at once deadlock: the second waits for the first one's lock on the table, and the first waits
// for the second one's snapshot. So one process is elected:
//
//   look -> valid: done
//        -> somebody builds: pause, and look again
//        -> absent, or invalid: stand for election -> lost: pause, and look again
//                                                  -> won: look again, build, and look again
//
// An election is one statement that holds an advisory lock for a while. Who wins starts to build at once. Who
// wins the next election looks at the catalogue after that while, and finds the index there. A lock for the
// whole build would have to be one of a session, and such locks are left behind in the pool of a PgBouncer.

import { createHash } from 'node:crypto'
import type { Columns } from '../connection/query.ts'
import { codeOf, StoreError } from '../errors.ts'
import { isTaken } from '../sqlstate.ts'
import { constant, type Names, quoted } from './names.ts'

import type { SessForm } from './sess-form.ts'
import { userKey } from './user-key.ts'

export interface UserIndex {
  /** Not quoted, without a schema. */
  readonly name: string
  /** Creates it, also as part of a transaction. Locks the table against writes while it builds. */
  readonly create: string
  /** Creates it while the table is in use. Does nothing if there is an index of this name. */
  readonly createConcurrently: string
  /** Builds it anew while the table is in use, from PostgreSQL 12 on. */
  readonly rebuild: string
  /**
   * Returns `valid`, `invalid` or `absent`, and whether somebody builds an index of the table, or vacuums it,
   * which takes the same lock.
   */
  readonly look: string
  /** Returns whether this process is elected. */
  readonly elect: string
}

// How long an election lasts. Much longer than it takes from there to the start of a build.
const ELECTION_SECONDS = 0.5
const PAUSE_MS = 250

// The key of the advisory lock: an arbitrary number that is the same in every process.
const INDEX_LOCK = 1_936_028_532

// PostgreSQL cuts longer names off.
const MAX_NAME_BYTES = 63

/**
 * The index of one table for one path. Another path has an index of another name, so that no index is taken
 * for one that it is not.
 */
export function userIndex(
  names: Names,
  path: readonly string[],
  form: Exclude<SessForm, 'old text'> = 'json',
): UserIndex {
  const key = userKey(path, form)
  const name = indexName(names.name, key)
  const [table, index] = [`${constant(names.table)}::regclass`, quoted(name)]
  return {
    name,
    create: `create index ${index} on ${names.table} ((${key}))`,
    createConcurrently: `create index concurrently if not exists ${index} on ${names.table} ((${key}))`,
    rebuild: `reindex index concurrently ${names.schema}${index}`,
    look: `
      select
        coalesce((
          select case when i.indisvalid then 'valid' else 'invalid' end
          from pg_catalog.pg_index i join pg_catalog.pg_class c on c.oid = i.indexrelid
          where i.indrelid = ${table} and c.relname = ${constant(name)}
        ), 'absent'),
        exists (
          select from pg_catalog.pg_locks l join pg_catalog.pg_database d on d.oid = l.database
          where d.datname = pg_catalog.current_database() and l.relation = ${table}
            and l.mode = 'ShareUpdateExclusiveLock'
        )::text`,
    elect: `
      select case when pg_catalog.pg_try_advisory_xact_lock(${INDEX_LOCK}, ${table}::oid::int4)
        then (select 'true' from pg_catalog.pg_sleep(${ELECTION_SECONDS})) else 'false' end`,
  }
}

/** Named after the table, with a digest of what it is for. */
function indexName(table: string, key: string): string {
  const digest = createHash('sha256').update(`${table}\n${key}`).digest('hex').slice(0, 8)
  const suffix = `_user_${digest}`
  let part = table
  while (Buffer.byteLength(`IDX_${part}${suffix}`) > MAX_NAME_BYTES) part = [...part].slice(0, -1).join('')
  return `IDX_${part}${suffix}`
}

/** Its statements have no parameters. They reject with the SQLSTATE as `code`. */
interface Database {
  ask(text: string): Promise<Columns[]>
  /** May take minutes. */
  build(text: string): Promise<unknown>
  pause(milliseconds: number): Promise<void>
}

// A build that fails for a deadlock or a lost connection is tried again, but not for ever.
const MAX_BUILDS = 3

/** @throws StoreError if the database refuses to build it */
export async function createUserIndex(index: UserIndex, { ask, build, pause }: Database): Promise<void> {
  for (let builds = 0; ; ) {
    const [state, isBusy] = await look()
    if (state === 'valid') return
    if (isBusy || !(await isElected())) {
      await pause(PAUSE_MS)
      continue
    }
    const [stateNow, isBusyNow] = await look()
    if (isBusyNow || stateNow === 'valid') continue
    if (++builds > MAX_BUILDS) {
      throw new StoreError(
        '42P07',
        `The index ${index.name} cannot be built, perhaps because its name is taken`,
      )
    }
    await build(stateNow === 'absent' ? index.createConcurrently : index.rebuild).catch((error) => {
      if (!isTaken(codeOf(error))) throw error
    })
  }

  async function look(): Promise<readonly [state: string | null | undefined, isBusy: boolean]> {
    const [row] = await ask(index.look)
    return [row?.[0], row?.[1] === 'true']
  }

  async function isElected(): Promise<boolean> {
    const [row] = await ask(index.elect)
    return row?.[0] === 'true'
  }
}
