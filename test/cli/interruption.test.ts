// What Ctrl-C leaves behind and says: of the statement under way, of what was done before it.

import assert from 'node:assert/strict'
import { connect, type Socket } from 'node:net'
import { connects } from '../../src/tracing/channels.ts'
import { cli, type Ran } from '../support/command-line.ts'
import { database, tableSql } from '../support/database.ts'
import { port } from '../support/port.ts'
import { promises } from '../support/promise.ts'

const db = await database('interruption')
const test = promises('interruption')

const pause = (ms: number) => new Promise((resume) => setTimeout(resume, ms))
const count = async () => Number((await db.sql`select count(*) from session`)[0]?.['count'])

/** A new table with three sessions. */
async function table(): Promise<void> {
  await db.sql`drop table if exists session`
  await db.sql.unsafe(tableSql)
  await db.sql`insert into session select g, '{"cookie":{}}', now() + interval '1 day' from generate_series(1, 3) g`
}

const waitingForLock = async () =>
  (
    await db.sql`
      select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`
  ).length > 0

/**
 * Interrupts a logout while it waits for rows that somebody has locked. The server has the whole statement
 * then, so it is carried out when they are free, unless it was cancelled.
 */
async function interruptedLogout(url: string, before = async () => {}): Promise<Ran> {
  const stop = new AbortController()
  return db.sql.begin(async (sql) => {
    await sql`select from session for update`
    const running = cli(['logout', '--all', '--yes', '--url', url], { stop: stop.signal })
    while (!(await waitingForLock())) await pause(20)
    await before()
    stop.abort()
    return running
  })
}

async function allHaveEnded(): Promise<void> {
  const left = () => db.sql`
    select from pg_stat_activity
    where datname = current_database() and application_name like 'connect-postgres-simple %'`
  while ((await left()).length > 0) await pause(20)
}

test('a statement that was cancelled takes no effect, and nothing is said of it', async () => {
  await table()
  const { code, err } = await interruptedLogout(db.url)
  assert.deepEqual([code, err], [130, 'Interrupted. Some of the sessions may have been destroyed.\n'])
  await allHaveEnded()
  assert.equal(await count(), 3)
})

test('a statement that cannot be cancelled, as its role has no other connection, may be carried out, and that is said', async () => {
  await table()
  const role = `single_${process.pid}`
  await db.sql.unsafe(`create role ${role} login password 'secret' connection limit 1`)
  await db.sql.unsafe(`grant select, insert, update, delete on session to ${role}`)
  try {
    const url = Object.assign(new URL(db.url), { username: role, password: 'secret' }).href
    const { code, out, err } = await interruptedLogout(url)
    assert.deepEqual([code, out], [130, ''])
    assert.match(
      err,
      /^Interrupted\. .*\nThe statement under way could not be cancelled, and the server may still carry it out \(.*53300.*\)\.\n$/,
    )
    assert.ok(!err.includes('secret'))
    await allHaveEnded()
    assert.equal(await count(), 0)
  } finally {
    await db.sql.unsafe(`drop owned by ${role}; drop role ${role}`)
  }
})

/** A pooler that changes the name of each connection. */
async function renaming(to: string): Promise<{ url: string; close(): Promise<void> }> {
  const { hostname, port: serverPort } = new URL(db.url)
  const pooler = await port((socket) => {
    const upstream = connect(Number(serverPort), hostname).on('error', () => {})
    upstream.pipe(socket).on('close', () => upstream.destroy())
    socket.once('data', (start) => {
      const text = start.toString('latin1').replace(/connect-postgres-simple [^\0]*/, to)
      const renamed = Buffer.from(text, 'latin1')
      renamed.writeInt32BE(renamed.length)
      upstream.write(renamed)
      socket.pipe(upstream)
    })
  })
  return { url: db.url.replace(`:${serverPort}/`, `:${pooler.number}/`), close: () => pooler.close() }
}

test('a statement that is not found, as a pooler gives connections its own name, may be carried out, and that is said', async () => {
  await table()
  const pooler = await renaming('a pooler of the company')
  try {
    const { code, err } = await interruptedLogout(pooler.url)
    assert.equal(code, 130)
    assert.match(
      err,
      /^Interrupted\. .*\nThe statement under way could not be cancelled, .* \(the server knows .* by another name\)\.\n$/,
    )
    while ((await count()) > 0) await pause(20)
  } finally {
    await pooler.close()
  }
})

test('a statement is found where a pooler adds the host to the names of connections, as PgBouncer can', async () => {
  await table()
  const pooler = await renaming('$& - 192.0.2.1:50000')
  try {
    const { code, err } = await interruptedLogout(pooler.url)
    assert.deepEqual([code, err], [130, 'Interrupted. Some of the sessions may have been destroyed.\n'])
    await allHaveEnded()
    assert.equal(await count(), 3)
  } finally {
    await pooler.close()
  }
})

test('a statement whose connection was lost may be under way all the same', async () => {
  await table()
  const { hostname, port: serverPort } = new URL(db.url)
  const [sockets, upstreams]: [Socket[], Socket[]] = [[], []]
  let isCut = false
  let refused = 0
  const way = await port((socket) => {
    if (isCut) {
      refused++
      socket.destroy()
    } else {
      const upstream = connect(Number(serverPort), hostname).on('error', () => {})
      sockets.push(socket)
      upstreams.push(upstream)
      socket.pipe(upstream).pipe(socket)
    }
  })
  try {
    const { code, err } = await interruptedLogout(
      db.url.replace(`:${serverPort}/`, `:${way.number}/`),
      async () => {
        isCut = true
        for (const socket of sockets) socket.destroy()
        while (refused < 2) await pause(20)
      },
    )
    assert.equal(code, 130)
    assert.match(
      err,
      /^Interrupted\. .*\nThe statement under way could not be cancelled, .* \(STORE_TIMEOUT: /,
    )
    while ((await count()) > 0) await pause(20)
  } finally {
    for (const upstream of upstreams) upstream.destroy()
    await way.close()
  }
})

test('where no statement is under way no connection is made to cancel one', async () => {
  const stop = new AbortController()
  let isMet = false
  const silent = await port(() => {
    isMet = true
    stop.abort()
  })
  let begun = 0
  const count = () => begun++
  connects.start.subscribe(count)
  const url = `postgres://postgres@127.0.0.1:${silent.number}/postgres`
  try {
    const unreached = await cli(['stats', '--url', url], { stop: stop.signal })
    assert.deepEqual([unreached.code, unreached.err, isMet, begun], [130, 'Interrupted.\n', true, 1])
    const asked = await cli(['logout', '--all', '--url', url], { typed: '', stop: AbortSignal.abort() })
    assert.deepEqual([asked.code, begun], [130, 1])
    assert.match(asked.err, /Interrupted\.\n$/)
  } finally {
    connects.start.unsubscribe(count)
    await silent.close()
  }
})

/** A table of which a prune with a limit deletes 1000 rows at a time, and each time sleeps. */
async function expired(sleep: string): Promise<void> {
  await table()
  await db.sql`
    insert into session
    select 'old-' || g, '{"cookie":{}}', now() - interval '1 hour' from generate_series(1, 4000) g`
  await db.sql.unsafe(`
    create or replace function slow() returns trigger language plpgsql as 'begin ${sleep}; return null; end'`)
  await db.sql`create trigger slow after delete on session for each statement execute procedure slow()`
}

const asleep = async () =>
  (
    await db.sql`
      select pid from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'`
  )[0]?.['pid'] as number | undefined

/** Prunes, and locks the whole table behind the batch under way, so that the rows cannot be counted after it. */
async function pruneThenLocked(url: string, flags: string[], stop?: AbortController): Promise<Ran> {
  await expired('perform pg_sleep(1)')
  const running = cli(['prune', '--url', url, ...flags], stop ? { stop: stop.signal } : {})
  while (!(await asleep())) await pause(20)
  return db.sql.begin(async (sql) => {
    const locking = sql`lock table session in access exclusive mode`.execute()
    while (!(await waitingForLock())) await pause(20)
    stop?.abort()
    await locking
    const ran = await running
    await allHaveEnded()
    return ran
  })
}

test('a prune that is stopped does not count for long what is left: it says what it deleted, and leaves no statement', async () => {
  for (const flags of [[], ['--json']]) {
    const { code, out } = await pruneThenLocked(db.url, flags, new AbortController())
    assert.equal(code, 130)
    if (flags.length > 0) assert.deepEqual(JSON.parse(out), { deleted: 1000, remaining: null })
    else assert.equal(out, 'Deleted 1,000 expired sessions.\n')
  }
})

test('a prune that cannot count what is left says what it deleted, and then why it failed', async () => {
  const url = `${db.url}?options=-c%20lock_timeout%3D1500`
  for (const flags of [[], ['--json']]) {
    const { code, out, err } = await pruneThenLocked(url, ['--limit', '1000', ...flags])
    assert.equal(code, 1)
    if (flags.length > 0) assert.deepEqual(JSON.parse(out), { deleted: 1000, remaining: null })
    else assert.equal(out, 'Deleted 1,000 expired sessions.\n')
    assert.match(err, /^connect-postgres-simple: .*55P03.*\n$/)
  }
})

test('a prune that fails in the middle says how many it has deleted', async () => {
  await expired('if (select count(*) from session) < 2500 then raise disk_full; end if')
  const { code, out, err } = await cli(['prune', '--url', db.url, '--limit', '4000'])
  assert.deepEqual([code, out], [1, ''])
  assert.match(err, /^1,000 expired sessions were deleted before this error:\nconnect-postgres-simple: /)
})

test('after Ctrl-C the doctor asks no host any more what it is', async () => {
  const stop = new AbortController()
  const { hostname, port: serverPort } = new URL(db.url)
  let asked = ''
  let release = () => {}
  let closed: Promise<unknown> | undefined
  // The answer to the greeting is held back until Ctrl-C has come.
  const way = await port((socket) => {
    const upstream = connect(Number(serverPort), hostname).on('error', () => {})
    closed = new Promise((resolve) => socket.once('close', resolve))
    upstream.pipe(socket).on('close', () => upstream.destroy())
    socket.on('data', (chunk) => {
      asked += chunk.toString('latin1')
      if (chunk.includes('pg_is_in_recovery')) {
        upstream.unpipe(socket)
        release = () => upstream.pipe(socket)
        stop.abort()
      }
      upstream.write(chunk)
    })
  })
  try {
    const url = db.url.replace(`:${serverPort}/`, `:${way.number}/`)
    const { code } = await cli(['doctor', '--url', url], { stop: stop.signal })
    assert.equal(code, 130)
    release()
    await closed
    assert.match(asked, /pg_is_in_recovery/)
    assert.doesNotMatch(asked, /pg_postmaster_start_time/)
  } finally {
    await way.close()
  }
})

test('init says whether the table was created, or may have been', async () => {
  await db.sql`drop table if exists session`
  const stop = new AbortController()
  const rollback = new Error('rollback')
  await db.sql
    .begin(async (sql) => {
      await sql.unsafe(tableSql)
      const running = cli(['init', '--url', db.url], { stop: stop.signal })
      while (!(await waitingForLock())) await pause(20)
      stop.abort()
      const { code, out, err } = await running
      assert.deepEqual([code, out, err], [130, '', 'Interrupted. The table may have been created.\n'])
      throw rollback
    })
    .catch((error) => assert.equal(error, rollback))
  await allHaveEnded()
})

test('init speaks of no index that did not end once the index on user ids is there', async () => {
  await db.sql`drop table if exists session`
  const stop = new AbortController()
  await db.sql.begin(async (sql) => {
    // Of the commands that run here only the questions for the rights look at it.
    await sql`lock table pg_catalog.pg_policy in access exclusive mode`
    const args = ['init', '--user-index', '--url', db.url, '--admin-url', db.url]
    const running = cli(args, { stop: stop.signal })
    while (!(await waitingForLock())) await pause(20)
    stop.abort()
    const { code, err } = await running
    assert.deepEqual(
      [code, err],
      [130, 'Interrupted. The table was created. It has the index on user ids.\n'],
    )
  })
  assert.equal((await db.sql`select from pg_indexes where tablename = 'session'`).length, 3)
  await allHaveEnded()
})

test('doctor --fix says how many of the statements were run', async () => {
  await table()
  await db.sql`drop index "IDX_session_expire"`
  await db.sql`alter table session drop constraint session_pkey`
  const indexes = async () => (await db.sql`select from pg_indexes where tablename = 'session'`).length
  const waiting = async () =>
    Number(
      (await db.sql`select count(*) from pg_locks where relation = 'session'::regclass and not granted`)[0]?.[
        'count'
      ],
    )
  const stop = new AbortController()
  // One after the other: this lock, the first repair, the second lock, the second repair.
  const lock = (then: () => Promise<void>) =>
    db.sql.begin(async (sql) => {
      await sql`lock table session in share update exclusive mode`
      await then()
    })
  let running: Promise<Ran> | undefined
  let second: Promise<unknown> | undefined
  await lock(async () => {
    running = cli(['doctor', '--fix', '--yes', '--url', db.url], { stop: stop.signal })
    while ((await waiting()) < 1) await pause(20)
    second = lock(async () => {
      while ((await waiting()) < 1) await pause(20)
      stop.abort()
      await running
    })
    while ((await waiting()) < 2) await pause(20)
  })
  await second
  const { code, err } = (await running) as Ran
  assert.equal(code, 130)
  assert.match(
    err,
    /^Interrupted\. 1 of 2 statements was run\. An index whose building did not end is not valid; .*\n$/m,
  )
  await allHaveEnded()
  assert.equal(await indexes(), 1)
})

test('no connection of a command is left', () => db.drop())
