// The program as a whole, and its commands `init`, `prune` and `stats`.

import assert from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import postgres, { type TransactionSql } from 'postgres'
import { watchAttempts } from '../../src/cli/attempts.ts'
import { Screen } from '../../src/cli/screen.ts'
import { type BatchMessage, batches } from '../../src/tracing/channels.ts'
import { cli } from '../support/command-line.ts'
import { database } from '../support/database.ts'
import { promises } from '../support/promise.ts'
import { putRow } from '../support/store.ts'

const db = await database('commands')
const test = promises('commands')

const COMMANDS = ['init', 'doctor', 'prune', 'stats', 'sessions', 'logout']
const run = (command: string, ...flags: string[]) => cli([command, '--url', db.url, ...flags])

/** An empty table, as new. */
async function table(): Promise<void> {
  await db.sql`drop table if exists session`
  assert.equal((await run('init')).code, 0)
}

/** Whether somebody in this database waits for a lock. Others of the server are other tests. */
const isAwaited = async (sql: TransactionSql) =>
  (
    await sql`
      select from pg_locks l join pg_database d on d.oid = l.database
      where d.datname = current_database() and not l.granted`
  ).length > 0

const count = async () => Number((await db.sql`select count(*) from session`)[0]?.['count'])

async function expire(rows: number): Promise<void> {
  await db.sql`
    insert into session
    select 'old-' || g, '{"cookie":{}}', now() - interval '1 minute' - g * interval '1 ms'
    from generate_series(1, ${rows}::int) g`
}

test('every command says what it does and lists its flags', async () => {
  for (const name of COMMANDS) {
    const { code, out, err } = await cli([name, '--help'])
    assert.deepEqual([code, err], [0, ''])
    assert.match(out, new RegExp(`^Usage: connect-postgres-simple ${name} \\[flags\\]\\n\\n[A-Z].*\\.\\n`))
    for (const flag of ['--url', '--table', '--schema', '--json']) assert.ok(out.includes(flag))
    assert.equal(out.includes('--admin-url'), ['init', 'doctor'].includes(name), 'where it does something')
  }
  const { out } = await cli(['--help'])
  for (const name of COMMANDS) assert.match(out, new RegExp(`^  ${name} `, 'm'))
  assert.match(out, /Exit codes: 0 fine, 1 something was found or refused, 2 wrong use or no connection/)
})

test('--version prints the version of the package', async () => {
  const { out } = await cli(['--version'])
  assert.match(out, /^\d+\.\d+\.\d+/)
})

test('an unknown command or flag is answered with those that there are, and repeats no secret', async () => {
  const wrong: [string[], RegExp][] = [
    [[], /^connect-postgres-simple: Expected a command; the commands are init, doctor, prune/],
    [['purge'], /There is no command purge; the commands are init, doctor, prune/],
    [['postgres://u:secret@h/d'], /Expected a command; the commands/],
    [['prune', '--limits', '3'], /`prune` has no flag --limits; its flags are --limit, --dry-run, --url/],
    [['prune', '--uri=postgres://u:secret@h/d'], /`prune` has no flag --uri; its flags/],
    [['prune', 'postgres://u:secret@h/d'], /`prune` takes flags only; its flags/],
    [['prune', '--limit'], /The flag --limit of `prune` needs a value; its flags/],
    [
      ['logout', '--sid', '-secret'],
      /The flag --sid of `logout` needs a value: one that .* as --sid=VALUE; its/,
    ],
    [['prune', '--dry-run=secret'], /The flag --dry-run of `prune` takes no value; its flags/],
    [['logout', '--all', '--yes', '--admin-url', 'postgres://h/d'], /`logout` has no flag --admin-url; its/],
    [['logout', '--all', '--user-path', 'secret'], /--user-path means nothing without --user$/m],
    [['init', '--user-path', 'secret'], /--user-path means nothing without --user-index$/m],
    [['doctor', '--user-path', 'secret'], /--user-path means nothing without --user-index$/m],
    [['doctor', '--max', '8'], /--max means nothing without --processes$/m],
    [['logout', '--user', '', '--yes'], /: Expected the user's id to be a non-empty string/],
    [['logout', '--user', '1', '--except', '', '--yes'], /: The session id must be a non-empty/],
    [['prune', '--limit', 'secret'], /Expected --limit to be a whole number of at least 1/],
    [['prune', '--limit', '0'], /Expected --limit to be a whole number of at least 1/],
    [
      ['logout', '--user', '1', '--except', 'secret', '--except=b', '--yes', '--url', db.url],
      /^connect-postgres-simple: The flag --except of `logout` takes one value, not several$/m,
    ],
    [['doctor', '--yes', '--url', db.url], /--yes means nothing without --fix/],
    [['stats', '--url', 'postgre://u:secret@h/d'], /Expected the connection string to be a URL/],
    [['stats', '--url', db.url, '--table', ''], /Expected `tableName` to be a non-empty string/],
  ]
  for (const [args, message] of wrong) {
    const { code, out, err } = await cli(args)
    assert.deepEqual([code, out, err.trimEnd().split('\n').length], [2, '', 1], args.join(' '))
    assert.match(err, message)
    assert.ok(!err.includes('secret'), err)
  }
})

test('without a connection the exit code is 2, and the error one line without password', async () => {
  const url = new URL(db.url)
  const wrongs = [
    Object.assign(new URL(url), { port: '1' }),
    Object.assign(new URL(url), { password: 'wrongsecret', username: 'nobody' }),
    Object.assign(new URL(url), { pathname: '/nowhere' }),
  ]
  for (const { href } of wrongs) {
    for (const command of ['doctor', 'stats']) {
      const { code, out, err } = await cli([command, '--url', href, '--json'])
      assert.deepEqual([code, out, err.trimEnd().split('\n').length], [2, '', 1], err)
      assert.ok(!err.includes('secret') && err.startsWith('connect-postgres-simple: '), err)
    }
  }
})

test('what the server refuses is one line, and the exit code is 1', async () => {
  await db.sql`drop table if exists session`
  const missing = await run('prune')
  assert.equal(missing.code, 1)
  assert.equal(
    missing.err,
    'connect-postgres-simple: The table "session" does not exist: the command `init` creates it\n',
  )
  const refused = await run('init', '--schema', 'nowhere')
  assert.equal(refused.code, 1)
  assert.match(refused.err, /^connect-postgres-simple: schema "nowhere" does not exist \[SQLSTATE 3F000\]\n$/)
})

test('init --print connects to nothing', async () => {
  const { code, out } = await cli([
    'init',
    '--print',
    '--url',
    'postgres://nobody@127.0.0.1:1/x',
    '--table',
    'a"b',
  ])
  assert.equal(code, 0)
  assert.match(out, /^create table "a""b" \([\s\S]+create index "IDX_a""b_expire" on "a""b" \("expire"\);\n$/)
  const { json } = await cli(['init', '--print', '--json'])
  assert.match(json.sql, /^create table "session"/)
})

test('init creates the table, and says so if it is there', async () => {
  await db.sql`drop table if exists session`
  const first = await run('init')
  assert.deepEqual([first.code, first.out], [0, 'Created the table "session".\n'])
  const second = await run('init')
  assert.deepEqual([second.code, second.out], [0, 'The table "session" is there already.\n'])
  assert.deepEqual((await run('init', '--json')).json, { created: false })
})

test('init --admin-url creates the table as another role', async () => {
  await db.sql`drop table if exists session`
  const role = `plain_${process.pid}`
  await db.sql.unsafe(`create role ${role} login password 'secret'`)
  const url = Object.assign(new URL(db.url), { username: role, password: 'secret' }).href
  try {
    assert.equal((await cli(['init', '--url', url])).code, 1)
    const both = ['--url', url, '--admin-url', db.url]
    const { json, err } = await cli(['init', ...both, '--json'])
    assert.equal(json.created, true)
    assert.match(err, /^The role of --url lacks rights on it.*\n {2}grant select on "public"."session" to /)
    for (const grant of json.grants) await db.sql.unsafe(grant)
    assert.equal((await cli(['stats', '--url', url])).code, 0)
    const again = await cli(['init', ...both])
    assert.deepEqual([again.out, again.err], ['The table "public"."session" is there already.\n', ''])
  } finally {
    await db.sql.unsafe(`drop owned by ${role}; drop role ${role}`)
  }
})

test('init --admin-url creates the table where the role of --url looks for it, whatever the other’s search_path', async () => {
  await db.sql`drop table if exists session`
  const role = `placed_${process.pid}`
  await db.sql.unsafe(
    `create role ${role} login password 'secret'; create schema app; grant usage on schema app to ${role}`,
  )
  const url = Object.assign(new URL(`${db.url}?options=-c%20search_path%3Dapp,public`), {
    username: role,
    password: 'secret',
  })
  try {
    assert.equal(
      (await cli(['init', '--url', url.href, '--admin-url', db.url])).out,
      'Created the table "app"."session".\n',
    )
    assert.equal((await db.sql`select to_regclass('app.session') as found`)[0]?.['found'], 'app.session')
    const nobody = 'postgres://nobody:secret@127.0.0.1:1/x'
    const unasked = await cli(['init', '--url', nobody, '--admin-url', db.url, '--table', 'unasked'])
    assert.equal(unasked.out, 'Created the table "unasked".\n')
    assert.match(
      unasked.err,
      /^The role of --url could not be asked for its schema, so that of --admin-url is taken: /,
    )
    assert.ok(!unasked.err.includes('secret'))
  } finally {
    await db.sql.unsafe(
      `drop schema app cascade; drop table unasked; drop owned by ${role}; drop role ${role}`,
    )
  }
})

test('where --admin-url leads to another database than --url, nothing is made in it', async () => {
  await db.sql`drop table if exists session`
  const name = `other_${process.pid}`
  await db.sql.unsafe(`create database ${name}`)
  const other = Object.assign(new URL(db.url), { pathname: name }).href
  const sql = postgres(other, { max: 1, onnotice() {} })
  try {
    for (const schema of [[], ['--schema', 'public']]) {
      const { code, out, err } = await cli(['init', '--url', db.url, '--admin-url', other, ...schema])
      assert.deepEqual(
        [code, out, err],
        [2, '', 'connect-postgres-simple: --admin-url leads to another database than --url\n'],
      )
    }
    assert.equal((await sql`select to_regclass('session') as found`)[0]?.['found'], null)
    await run('init')
    await db.sql`drop index "IDX_session_expire"`
    const fix = ['doctor', '--fix', '--yes', '--url', db.url, '--admin-url']
    assert.match((await cli([...fix, other])).err, /--admin-url leads to another database than --url\n$/)
    const indexes = async () =>
      (await db.sql`select from pg_indexes where tablename = 'session' and indexdef ~ 'expire'`).length
    assert.equal(await indexes(), 0)
    await cli([...fix, db.url])
    assert.equal(await indexes(), 1)
  } finally {
    await sql.end()
    await db.sql.unsafe(`drop database ${name}`)
  }
})

test('prune deletes what has expired, and nothing else', async () => {
  await table()
  await expire(2500)
  await putRow(db.sql, 'alive', {})
  const { code, out, err } = await run('prune')
  assert.deepEqual([code, out, err], [0, 'Deleted 2,500 expired sessions, left 0.\n', ''])
  assert.equal(await count(), 1)
})

test('prune --dry-run counts, and deletes nothing', async () => {
  await table()
  await expire(3)
  assert.deepEqual((await run('prune', '--dry-run', '--json')).json, { expired: 3 })
  assert.equal((await run('prune', '--dry-run')).out, '3 sessions have expired.\n')
  assert.equal(await count(), 3)
})

test('prune --limit deletes no more than so many, also where it could go page by page', async () => {
  await table()
  await expire(4000)
  assert.deepEqual((await run('prune', '--limit', '1500', '--json')).json, { deleted: 1500, remaining: 2500 })
  assert.equal(await count(), 2500)
  assert.deepEqual((await run('prune', '--limit', '9999', '--json')).json, { deleted: 2500, remaining: 0 })
})

test('prune deletes page by page where much has expired', async () => {
  await table()
  await expire(60_000)
  assert.deepEqual((await run('prune', '--json')).json, { deleted: 60_000, remaining: 0 })
})

test('prune shows its progress on a terminal, and leaves none of it in the output', async () => {
  await table()
  await expire(2500)
  const { out, err } = await cli(['prune', '--url', db.url], { typed: '' })
  assert.match(err, /█+░* +\d+ % {2}[\d,]+ deleted, [\d,]+ per second, [\d,]+ left\r/)
  assert.match(err, /100 % {2}2,500 deleted/)
  assert.ok(err.endsWith('\r\u001b[2K'))
  assert.equal(out, 'Deleted 2,500 expired sessions, left 0.\n')
})

test('without a terminal progress is a line now and then', () => {
  const stderr = new PassThrough()
  const plain = { stdin: new PassThrough(), stdout: new PassThrough(), stderr, env: {} }
  const streams = { ...plain, stop: new AbortController().signal }
  const [often, seldom] = [new Screen(streams, 0), new Screen(streams)]
  for (const each of ['1', '2']) {
    often.progress(`often ${each}`)
    seldom.progress(`seldom ${each}`)
  }
  assert.equal(String(stderr.read()), 'often 1\noften 2\n')
})

test('prune ends after the batch when it is stopped, says what it did, and leaves no connection', async () => {
  await table()
  await expire(4000)
  const stop = new AbortController()
  const stopAtFirst = (message: unknown) => {
    if ((message as BatchMessage).verb.startsWith('prune')) stop.abort()
  }
  batches.start.subscribe(stopAtFirst)
  const { code, json } = await cli(['prune', '--url', db.url, '--json'], { stop: stop.signal })
  batches.start.unsubscribe(stopAtFirst)
  assert.equal(code, 130)
  assert.deepEqual(json, { deleted: 1000, remaining: 3000 })
})

test('what is interrupted says so, leaves no statement in the server, sends no more, and exits with 130', async () => {
  await table()
  const connections = async (state = '%') =>
    Number(
      (
        await db.sql`
          select count(*) from pg_stat_activity where datname = current_database()
          and application_name like 'connect-postgres-simple %' and state like ${state}`
      )[0]?.['count'],
    )
  let [sent, answered] = [0, 0]
  const countSent = () => sent++
  const countAnswered = (message: unknown) => {
    if ((message as BatchMessage).verb === 'ask') answered++
  }
  batches.start.subscribe(countSent)
  batches.asyncEnd.subscribe(countAnswered)
  const nobody = Object.assign(new URL(db.url), { username: 'nobody' }).href
  // The doctor reads no locked table, and waits for parts of the catalogue instead, at several questions.
  const catalogue = ', pg_catalog.pg_inherits, pg_catalog.pg_policy'
  for (const [command, ...flags] of [
    ['stats'],
    ['doctor', '--user-index'],
    ['doctor', '--user-index', '--fix', '--yes'],
    ['sessions', '--user', 'anna'],
    ['logout', '--user', 'anna', '--yes'],
    ['logout', '--all', '--yes'],
    ['prune'],
    ['prune', '--dry-run'],
    ['init', '--user-index'],
    // A role that cannot log in keeps no statement of the other one from being cancelled.
    ['init', '--user-index', '--admin-url', db.url, '--url', nobody],
  ] as [string, ...string[]][]) {
    const stop = new AbortController()
    let cancels = 0
    const isFixed = flags.includes('--fix')
    const url = flags.includes('--url') ? [] : ['--url', db.url]
    if (isFixed) await db.sql`drop index "IDX_session_expire"`
    await db.sql.begin(async (sql) => {
      const locked = command === 'doctor' && !isFixed ? `session${catalogue}` : 'session'
      // Not one that keeps others from writing: a build may have it, beside which the doctor repairs nothing.
      const mode = isFixed ? 'share update exclusive' : 'access exclusive'
      await sql.unsafe(`lock table ${locked} in ${mode} mode`)
      const running = cli([command, ...url, ...flags], { stop: stop.signal })
      while (!(await isAwaited(sql))) await new Promise((resume) => setTimeout(resume, 20))
      sent = answered = 0
      stop.abort()
      const { code, out, err } = await running
      assert.deepEqual([code, out], [130, ''], command)
      assert.match(err, /^Interrupted\./m)
      // It has waited for the answer to each request to cancel.
      cancels = flags.includes('--admin-url') ? 2 : 1
      assert.ok(answered >= cancels, command)
      while ((await connections('active')) > 0) await new Promise((resume) => setTimeout(resume, 20))
    })
    while ((await connections()) > 0) await new Promise((resume) => setTimeout(resume, 20))
    assert.equal(sent, cancels, command)
  }
  batches.start.unsubscribe(countSent)
  batches.asyncEnd.unsubscribe(countAnswered)
})

test('a statement that is tried again for long says why, once', async () => {
  await table()
  const told: string[] = []
  const attempts = watchAttempts(({ message }) => told.push(message), 50)
  const name = new URL(db.url).pathname.slice(1)
  const admin = Object.assign(new URL(db.url), { pathname: '/postgres' })
  const sql = postgres(admin.href, { max: 1, onnotice() {} })
  try {
    await sql.unsafe(`alter database "${name}" allow_connections false`)
    const running = cli(['stats', '--url', db.url])
    while (told.length === 0) await new Promise((resume) => setTimeout(resume, 20))
    await sql.unsafe(`alter database "${name}" allow_connections true`)
    await running
  } finally {
    attempts.end()
    await sql.end()
  }
  assert.equal(told.length, 1)
  assert.match(told[0] as string, /not currently accepting connections/)
})

test('prune says if rows stay, and if another prunes', async () => {
  await table()
  await expire(5)
  await db.sql`create table note (sid varchar references session)`
  await db.sql`insert into note values ('old-1')`
  const { code, err, out } = await run('prune')
  assert.equal(code, 1)
  assert.equal(out, 'Deleted 4 expired sessions, left 1.\n')
  assert.match(err, /^Some rows cannot be deleted, the others are: .*23503/)
  await db.sql`drop table note`
  await db.sql.begin(async (sql) => {
    await sql`select from session for update`
    const held = await run('prune')
    assert.deepEqual(
      [held.code, held.err],
      [0, 'Another process is pruning this table, or the rows are locked.\n'],
    )
  })
})

test('stats measures sessions whose text the server cannot decode, as the stores save them', async () => {
  await run('init')
  await db.sql`insert into session values ('escaped', ${String.raw`{"cookie":{},"\u0000":"\ud800"}`}::text::json,
    now() + interval '1 day')`
  try {
    const { code, json } = await run('stats', '--json')
    assert.equal(code, 0)
    assert.ok(json.keys.length > 0)
  } finally {
    await db.sql`delete from session where sid = 'escaped'`
  }
})

test('stats counts sessions, measures them, and says what they take', async () => {
  await table()
  await expire(3)
  await putRow(db.sql, 'soon', { cart: 'x'.repeat(3000) }, 90 * 60)
  await putRow(db.sql, 'later', { cart: 'x'.repeat(1000), '\u001b[31mred': 1 }, 48 * 3600)
  const { json } = await run('stats', '--json')
  assert.deepEqual([json.live, json.expired, json.endsLater], [2, 3, 1])
  assert.ok(Date.parse(json.oldestExpired) < Date.now())
  assert.equal(json.endsByHour[1], 1)
  assert.equal(json.endsByHour.length, 24)
  assert.ok(json.sizes.max > 3000 && json.sizes.p50 < 100, JSON.stringify(json.sizes))
  assert.equal(json.keys[0].key, 'cart')
  assert.ok(json.keys[0].share > 0.8)
  assert.deepEqual(json.sample, { rows: 5, share: 1 })
  assert.ok(json.disk.table > 0 && json.disk.indexes > 0)
  const { out } = await run('stats')
  assert.match(out, /live +2\n/)
  assert.match(out, /waiting for prune +3, the oldest since \d{4}-/)
  assert.match(out, / 2 hours +█+ 1\n/)
  assert.match(out, /last autovacuum +never/)
  assert.ok(!out.includes('\u001b'))
})

test('stats and doctor take rows that never end, and such that never lived', async () => {
  await table()
  await putRow(db.sql, 'a', {})
  await putRow(db.sql, 'b', {})
  await db.sql`update session set expire = case sid when 'a' then 'infinity' else '-infinity' end::timestamp`
  const { json } = await run('stats', '--json')
  assert.deepEqual([json.live, json.expired, json.endsLater, json.oldestExpired], [1, 1, 1, null])
  assert.match((await run('doctor')).out, /expired-long-ago/)
})

test('stats of a column of type text leaves out what is no JSON, and rows without an expiry', async () => {
  await db.sql`drop table if exists session`
  await db.sql`create table session (sid varchar primary key, sess text, expire timestamp(6))`
  await putRow(db.sql, 'json', { cart: 'x' })
  await db.sql`insert into session values ('none', 'no JSON', now() + '1 day'), ('brace', '{', null), ('null', null, null)`
  const { code, json } = await run('stats', '--json')
  assert.deepEqual([code, json.live, json.expired, json.sizes.max > 50], [0, 2, 0, true])
  const [{ version }] = (await db.sql`select current_setting('server_version_num')::int as version`) as any
  assert.deepEqual(json.keys.map(({ key }: any) => key).sort(), version < 160_000 ? [] : ['cart', 'cookie'])
})

test('stats of a partitioned table says what its partitions take', async () => {
  await db.sql`drop table if exists session`
  await db.sql.unsafe(`
    create table session (sid varchar primary key, sess json not null, expire timestamp(6) not null)
      partition by hash (sid);
    create table part_0 partition of session for values with (modulus 2, remainder 0);
    create table part_1 partition of session for values with (modulus 2, remainder 1)`)
  for (let i = 0; i < 10; i++) await putRow(db.sql, `sid-${i}`, {})
  const { disk } = (await run('stats', '--json')).json
  assert.ok(disk.table >= 2 * 8192 && disk.indexes >= 2 * 8192 && disk.toast > 0, JSON.stringify(disk))
})

test('stats of an empty table has nothing to measure', async () => {
  await table()
  const { json } = await run('stats', '--json')
  assert.deepEqual(
    [json.live, json.expired, json.oldestExpired, json.sizes, json.keys],
    [0, 0, null, null, []],
  )
  assert.equal((await run('stats')).code, 0)
})

test('stats reads a large table in part, and says so', async () => {
  await table()
  await db.sql`
    insert into session
    select g, json_build_object('cookie', repeat('x', 1500)), now() + interval '1 hour' from generate_series(1, 6000) g`
  const { json } = await run('stats', '--json')
  assert.equal(json.live, 6000)
  assert.ok(json.sample.share < 1 && json.sample.rows < 6000, JSON.stringify(json.sample))
  assert.match((await run('stats')).out, /Sizes, by a sample of [\d,]+ rows \(\d+ % of the table\)/)
})

test('stats reads a large table of partitions in part as well', async () => {
  await db.sql`drop table if exists session`
  await db.sql.unsafe(`
    create table session (sid varchar primary key, sess json not null, expire timestamp(6) not null)
      partition by hash (sid);
    create table part_0 partition of session for values with (modulus 2, remainder 0);
    create table part_1 partition of session for values with (modulus 2, remainder 1);
    insert into session
    select g, json_build_object('cookie', repeat('x', 1500)), now() + interval '1 hour' from generate_series(1, 6000) g`)
  const { json } = await run('stats', '--json')
  assert.equal(json.live, 6000)
  assert.ok(json.sample.share < 1 && json.sample.rows < 6000, JSON.stringify(json.sample))
})

test('colours appear on a terminal only, and not with NO_COLOR or a dumb one', async () => {
  await table()
  const look = async (around: object) =>
    (await cli(['stats', '--url', db.url], around)).out.includes('\u001b[1m')
  assert.equal(await look({ typed: '' }), true)
  assert.equal(await look({}), false)
  assert.equal(await look({ typed: '', env: { NO_COLOR: '1' } }), false)
  assert.equal(await look({ typed: '', env: { TERM: 'dumb' } }), false)
})

test('doctor --fix repairs what is safe after asking, and the rest is left', async () => {
  await table()
  await db.sql`drop index "IDX_session_expire"`
  await db.sql`alter table session alter sess drop not null`
  const indexes = async () => (await db.sql`select from pg_indexes where tablename = 'session'`).length

  const nobody = await run('doctor', '--fix')
  assert.deepEqual([nobody.code, nobody.out, await indexes()], [2, '', 1])
  assert.match(nobody.err, /There is no terminal to ask on: pass --yes/)

  const no = await cli(['doctor', '--fix', '--url', db.url], { typed: 'no\n' })
  assert.deepEqual([no.code, await indexes()], [1, 1])
  assert.match(
    no.err,
    /create index concurrently on "public"."session" \("expire"\);\nRun this statement\? \[y\/N\] /,
  )

  const stopped = await cli(['doctor', '--fix', '--url', db.url], { typed: '', stop: AbortSignal.abort() })
  assert.deepEqual([stopped.code, await indexes()], [130, 1])

  const yes = await cli(['doctor', '--fix', '--url', db.url], { typed: 'y\n' })
  assert.deepEqual([yes.code, await indexes()], [1, 2])
  assert.ok(!yes.out.includes('expire-index-missing') && yes.out.includes('column-nullable'))

  await db.sql`alter table session alter sess set not null`
  const nothing = await run('doctor', '--fix', '--yes')
  assert.match(nothing.err, /There is nothing that can be repaired now without a decision of yours/)
})

test('doctor --fix runs several repairs, one after the other', async () => {
  await table()
  await db.sql`drop index "IDX_session_expire"`
  await db.sql`alter table session drop constraint session_pkey`
  const { json, err } = await run('doctor', '--fix', '--yes', '--json')
  assert.ok(!err.includes('Run these'))
  // The server of the tests runs without fsync.
  assert.deepEqual(
    json.findings.map(({ code }: { code: string }) => code).filter((code: string) => code !== 'fsync'),
    [],
  )
})

test('doctor shows each finding with what was expected, what it means, and the repair', async () => {
  await table()
  await db.sql`create table visit (sid varchar references session)`
  const { out } = await run('doctor')
  await db.sql`drop table visit`
  assert.match(out, /^warning {2}referenced\n {2}expected {2}foreign keys/m)
  assert.match(out, /^ {2}found {5}visit_sid_fkey of public\.visit: FOREIGN KEY/m)
  assert.match(
    out,
    /^ {2}repair {4}alter table public\.visit drop constraint .*;\n {12}alter table public\.visit validate/m,
  )
  assert.ok(out.split('\n').every((line) => line.length <= 80 || line.includes('alter table')))
})

test('no connection of a command is left', () => db.drop())
