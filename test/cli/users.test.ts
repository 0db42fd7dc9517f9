// The commands that concern users: `sessions`, `logout`, the index on user ids and what the doctor says of it.

import assert from 'node:assert/strict'
import { cli } from '../support/command-line.ts'
import { database } from '../support/database.ts'
import { promises } from '../support/promise.ts'
import { putRow } from '../support/store.ts'

const db = await database('cli_users')
const test = promises('command line for users')

const run = (command: string, ...flags: string[]) => cli([command, '--url', db.url, ...flags])
const sids = async () => (await db.sql`select sid from session order by sid`).map(({ sid }) => sid)
const anna = { passport: { user: 'anna' }, cart: ['secret'] }

async function table(): Promise<void> {
  await db.sql`drop table if exists session`
  await run('init')
  await putRow(db.sql, 'anna-at-home-0123456789', anna, 600)
  await putRow(db.sql, 'anna-at-work-0123456789', anna, 1200)
  await putRow(db.sql, 'anna-long-ago-0123456789', anna, -10)
  await putRow(db.sql, 'bert-0123456789', { passport: { user: 'bert' } })
}

test('sessions lists those of a user, with short sids and without what they hold', async () => {
  await table()
  const { code, out } = await run('sessions', '--user', 'anna')
  assert.equal(code, 0)
  assert.match(out, /^anna-… {2}until \d{4}-.*Z {2}passport, cart\nanna-… {2}until .*\n2 sessions\n$/)
  assert.ok(!out.includes('secret') && !out.includes('home'))
  assert.match((await run('sessions', '--user', 'bert')).out, /\n1 session\n$/)
  assert.equal((await run('sessions', '--user', 'nobody')).out, '0 sessions\n')
})

test('sessions --json has sid, expires and session, and with --full the whole sid', async () => {
  await table()
  const { json } = await run('sessions', '--user', 'anna', '--json')
  assert.deepEqual(
    json.map((entry: object) => Object.keys(entry)),
    [
      ['sid', 'expires', 'session'],
      ['sid', 'expires', 'session'],
    ],
  )
  assert.equal(json[0].sid, 'anna-…')
  assert.deepEqual(json[0].session.cart, ['secret'])
  assert.ok(Date.parse(json[0].expires) > Date.parse(json[1].expires))
  const full = await run('sessions', '--user', 'anna', '--json', '--full')
  assert.equal(full.json[0].sid, 'anna-at-work-0123456789')
})

test('what a terminal would obey is shown as text, in sids, keys, ids and errors', async () => {
  await table()
  const evil = '\u001b[2J\u009b31m\u202e'
  await putRow(db.sql, `${evil}-0123456789`, { passport: { user: evil }, [evil]: 1 })
  for (const ran of [
    await run('sessions', '--user', evil, '--full'),
    await run('sessions', '--user', evil),
    await run('stats'),
    await run('stats', '--table', evil),
    await run('doctor', '--table', evil),
    await cli(['logout', '--url', db.url, '--user', evil], { typed: 'n\n' }),
  ]) {
    const text = ran.out + ran.err
    assert.doesNotMatch(text.replaceAll('\n', ''), /[\p{Cc}\p{Cf}]/u)
    assert.match(text, /u\{?(00)?1b/)
  }
  await db.sql`delete from session`
})

test('sessions shows what the app sees, not when a session was created', async () => {
  await table()
  await putRow(db.sql, 'dora-0123456789', {
    passport: { user: 'dora' },
    'connect-postgres-simple:created': 1,
  })
  assert.doesNotMatch((await run('sessions', '--user', 'dora')).out, /created/)
  assert.doesNotMatch((await run('sessions', '--user', 'dora', '--json')).out, /created/)
})

test('sessions finds the id where --user-path says', async () => {
  await table()
  await putRow(db.sql, 'carl-0123456789', { account: { id: 7 } })
  assert.match((await run('sessions', '--user', '7', '--user-path', 'account.id')).out, /1 session\n$/)
  assert.equal((await run('sessions', '--user', '7')).out, '0 sessions\n')
})

test('sessions that never end, and rows that cannot be read, are told apart', async () => {
  await table()
  await db.sql`update session set expire = 'infinity' where sid = 'bert-0123456789'`
  assert.match((await run('sessions', '--user', 'bert')).out, /until ever/)
  assert.equal((await run('sessions', '--user', 'bert', '--json')).json[0].expires, null)
})

test('logout --user destroys the sessions of a user, and says how many', async () => {
  await table()
  const { code, out } = await run('logout', '--user', 'anna', '--yes')
  assert.deepEqual([code, out], [0, 'Destroyed 2 sessions.\n'])
  assert.deepEqual(await sids(), ['bert-0123456789'])
  assert.deepEqual((await run('logout', '--user', 'anna', '--yes', '--json')).json, { destroyed: 0 })
})

test('logout --except spares a session', async () => {
  await table()
  const flags = ['--user', 'anna', '--except', 'anna-at-home-0123456789', '--yes']
  assert.equal((await run('logout', ...flags)).out, 'Destroyed 1 session.\n')
  assert.deepEqual(await sids(), ['anna-at-home-0123456789', 'bert-0123456789'])
})

test('logout --sid destroys one session, and says if there was none', async () => {
  await table()
  assert.deepEqual((await run('logout', '--sid', 'bert-0123456789', '--yes', '--json')).json, {
    destroyed: 1,
  })
  assert.deepEqual((await run('logout', '--sid', 'bert-0123456789', '--yes', '--json')).json, {
    destroyed: 0,
  })
  await db.sql`insert into session values ('broken', '[1', now() + '1 day')`.catch(() => {})
  await db.sql`insert into session values ('broken', '5', now() + '1 day')`
  assert.deepEqual((await run('logout', '--sid', 'broken', '--yes', '--json')).json, { destroyed: 1 })
  assert.ok(!(await sids()).includes('broken'))
})

test('logout --sid says when the role may not look, and shows no sid in full', async () => {
  await table()
  await db.sql`create role blind_${db.sql.unsafe(String(process.pid))} login password 'blind'`
  try {
    const url = new URL(db.url)
    Object.assign(url, { username: `blind_${process.pid}`, password: 'blind' })
    const { code, err } = await cli(['logout', '--url', url.href, '--sid', 'bert-0123456789', '--yes'])
    assert.match(err, /42501|permission denied/)
    assert.ok(!err.includes('bert-0123456789'))
    assert.notEqual(code, 0)
    assert.ok((await sids()).includes('bert-0123456789'))
  } finally {
    await db.sql`drop role blind_${db.sql.unsafe(String(process.pid))}`
  }
})

test('logout --all empties the table, and counts those that had not expired', async () => {
  await table()
  assert.deepEqual((await run('logout', '--all', '--yes', '--json')).json, { destroyed: 3 })
  assert.deepEqual(await sids(), [])
})

test('logout asks on a terminal, and shows no sid in full', async () => {
  await table()
  const ask = (typed: string, ...flags: string[]) => cli(['logout', '--url', db.url, ...flags], { typed })
  const no = await ask('\n', '--sid', 'bert-0123456789')
  assert.equal(no.code, 1)
  assert.equal(no.err, 'Log out the session ber…? [y/N] ')
  assert.equal((await ask('n\n', '--all')).err, 'Log out all users? [y/N] ')
  const except = await ask('n\n', '--user', 'anna', '--except', 'anna-at-home-0123456789')
  assert.equal(except.err, 'Log out the user "anna", except anna-…? [y/N] ')
  assert.equal((await sids()).length, 4)
  assert.equal((await ask('yes\n', '--user', 'anna')).code, 0)
  assert.equal((await sids()).length, 1)
})

test('logout without a terminal wants --yes, and one target', async () => {
  await table()
  const wrong: [string[], RegExp][] = [
    [['--all'], /There is no terminal to ask on: pass --yes/],
    [['--yes'], /Expected one of --user, --sid and --all/],
    [['--user', 'anna', '--all', '--yes'], /Expected one of --user, --sid and --all/],
    [['--all', '--except', 'x', '--yes'], /--except means nothing without --user/],
    [['--user', '', '--yes'], /Expected the user's id to be a non-empty string/],
  ]
  for (const [flags, message] of wrong) {
    const { code, out, err } = await run('logout', ...flags)
    assert.deepEqual([code, out], [2, ''], flags.join(' '))
    assert.match(err, message)
  }
  assert.match((await run('sessions')).err, /Expected --user with the id of a user/)
  assert.equal((await sids()).length, 4)
})

test('Ctrl-C at the question destroys nothing', async () => {
  await table()
  const asked = await cli(['logout', '--all', '--url', db.url], { typed: '', stop: AbortSignal.abort() })
  assert.equal(asked.code, 130)
  assert.equal((await sids()).length, 4)
})

test('init --user-index creates the index, also on a table that is there, and prints it', async () => {
  await db.sql`drop table if exists session`
  const first = await run('init', '--user-index')
  assert.equal(first.out, 'Created the table "session".\nIt has the index on user ids.\n')
  await table()
  assert.deepEqual((await run('init', '--user-index', '--json')).json, { created: false })
  const indexes =
    await db.sql`select indexname from pg_indexes where tablename = 'session' and indexname ~ '_user_'`
  assert.equal(indexes.length, 1)
  const { out } = await run('init', '--print', '--user-index')
  await db.sql`drop table session`
  await db.sql.unsafe(out)
  const again =
    await db.sql`select indexname from pg_indexes where tablename = 'session' and indexname ~ '_user_'`
  assert.deepEqual(again, indexes)
})

test('a logout of which the server refuses a part says that the others may have been destroyed', async () => {
  await table()
  await db.sql.unsafe(`
    create function keep_work() returns trigger language plpgsql as $$
    begin
      if old.sid like '%work%' then raise 'kept'; end if;
      return old;
    end $$;
    create trigger keep_work before delete on session for each row execute function keep_work()`)
  const { code, out, err } = await run('logout', '--user', 'anna', '--yes')
  assert.deepEqual([code, out], [1, ''])
  assert.match(
    err,
    /^Some of the sessions may have been destroyed before this error:\nconnect-postgres-simple: .*P0001.*\n$/,
  )
  assert.deepEqual(await sids(), ['anna-at-work-0123456789', 'bert-0123456789'])
  await db.sql.unsafe('drop table session; drop function keep_work')
})

test('a path with an empty part is refused, and nobody counts as logged out', async () => {
  await table()
  for (const path of ['', 'a..b', '.user']) {
    const { code, out } = await run('logout', '--user', 'anna', '--user-path', path, '--yes')
    assert.deepEqual([code, out], [2, ''], path)
  }
  assert.equal((await sids()).length, 4)
})

test('a repair under another role is of the table that the doctor found, whatever search_path that role has', async () => {
  await table()
  const role = `owner_${process.pid}`
  await db.sql.unsafe(`
    create role ${role} login password 'owner'; create schema authorization ${role};
    create table ${role}.session (like session including all);
    alter table ${role}.session owner to ${role};
    drop index if exists ${role}.session_expire_idx`)
  try {
    const url = new URL(db.url)
    Object.assign(url, { username: role, password: 'owner' })
    const doctor = (...flags: string[]) =>
      cli(['doctor', '--url', url.href, '--admin-url', db.url, '--user-index', ...flags])
    await doctor('--fix', '--yes')
    const { json } = await doctor('--json')
    const codes = json.findings.map(({ code }: { code: string }) => code)
    assert.ok(!codes.includes('user-index-missing') && !codes.includes('expire-index-missing'), codes.join())
    const mine = await db.sql`
      select schemaname, count(*)::int from pg_indexes where tablename = 'session' group by 1 order by 1`
    assert.deepEqual(
      mine.map(({ schemaname, count }) => [schemaname, count]),
      [
        [role, 3],
        ['public', 2],
      ],
    )
  } finally {
    await db.sql.unsafe(`drop owned by ${role} cascade; drop role ${role}`)
  }
})

test('a repair that fails is told, and keeps no other from being done', async () => {
  await db.sql`drop table if exists session`
  await db.sql`create table session (sid varchar not null, sess json not null, expire timestamp(6) not null)`
  await db.sql`insert into session select 'twice', '{"cookie":{}}', now() + interval '1 day' from generate_series(1, 2)`
  const { code, err, json } = await run('doctor', '--fix', '--yes', '--json')
  assert.match(err, /The repair of sid-unique-missing failed: .*23505/)
  const codes = json.findings.map((finding: { code: string }) => finding.code)
  assert.equal(code, 1)
  assert.ok(codes.includes('sid-unique-invalid') && !codes.includes('expire-index-missing'), codes.join())
})

test('on a partitioned table no repair that would make writers wait is run by itself', async () => {
  await db.sql`drop table if exists session`
  await db.sql.unsafe(`
    create table session (sid varchar primary key, sess json not null, expire timestamp(6) not null)
      partition by hash (sid);
    create table session_0 partition of session for values with (modulus 1, remainder 0)`)
  await run('doctor', '--fix', '--yes', '--user-index')
  const { json } = await run('doctor', '--json', '--user-index')
  const codes = json.findings.map(({ code }: { code: string }) => code)
  assert.ok(codes.includes('expire-index-missing') && codes.includes('user-index-missing'), codes.join())
})

/** The doctor's findings on the index. */
async function findings(...flags: string[]): Promise<any[]> {
  const { json } = await run('doctor', '--json', ...flags)
  return json.findings.filter(({ code }: { code: string }) => code.startsWith('user-index'))
}

test('the doctor finds the index on user ids missing, invalid or on another path, where it is asked', async () => {
  await table()
  assert.deepEqual(await findings(), [])
  const [missing] = await findings('--user-index')
  assert.equal(missing.code, 'user-index-missing')
  await db.sql.unsafe(missing.fix)
  assert.deepEqual(await findings('--user-index'), [])

  await db.sql`
    update pg_index set indisvalid = false
    where indexrelid = (select oid from pg_class where relname ~ '^IDX_session_user_')`
  const [invalid] = await findings('--user-index')
  assert.equal(invalid.code, 'user-index-invalid')
  await db.sql.unsafe(invalid.fix)
  assert.deepEqual(await findings('--user-index'), [])

  const [other] = await findings('--user-index', '--user-path', 'account.id')
  assert.equal(other.code, 'user-index-path')
  assert.match(other.found, /^for another path: "IDX_session_user_[0-9a-f]{8}"$/)
  assert.equal(
    (await run('doctor', '--fix', '--yes', '--user-index', '--user-path', 'account.id')).err.includes(
      'create index concurrently',
    ),
    true,
  )
  assert.deepEqual(await findings('--user-index', '--user-path', 'account.id'), [])
})

test('no connection of these commands is left', () => db.drop())
