// What the doctor says of indexes that are invalid: those that somebody is building at this moment, those that
// a build has left, and that each is repaired once.

import assert from 'node:assert/strict'
import postgres from 'postgres'
import { names } from '../../src/table/names.ts'
import { userIndex } from '../../src/table/user-index.ts'
import { proxy } from '../faults/proxy.ts'
import { cli } from '../support/command-line.ts'
import { database, tableSql } from '../support/database.ts'
import { promises } from '../support/promise.ts'

const db = await database('cli_invalid_indexes')
const test = promises('invalid indexes')

const doctor = (...flags: string[]) => cli(['doctor', '--url', db.url, ...flags])
const USER = userIndex(names('session', undefined), ['passport', 'user'])

interface Found {
  readonly code: string
  readonly severity: string
  readonly found: string
  readonly fix: string | null
}

async function findings(...flags: string[]): Promise<Found[]> {
  const { json } = await doctor('--json', ...flags)
  // The server of the tests is without it.
  return json.findings.filter(({ code }: Found) => code !== 'fsync')
}

async function table(...changes: string[]): Promise<void> {
  await db.sql.unsafe('drop table if exists session cascade')
  await db.sql.unsafe(tableSql)
  for (const change of changes) await db.sql.unsafe(change)
}

const invalidate = (name: string) =>
  `update pg_index set indisvalid = false where indexrelid = '"${name}"'::regclass`

/** The indexes of the table, those that cannot be used marked. */
async function indexes(): Promise<string[]> {
  const rows = await db.sql`
    select c.relname || case when i.indisvalid then '' else ' (invalid)' end as name
    from pg_index i join pg_class c on c.oid = i.indexrelid
    where i.indrelid = 'session'::regclass order by 1`
  return rows.map(({ name }) => name)
}

/** What happens while a statement builds an index: it waits for a transaction that writes. */
async function whileBuilding(statement: string, name: string, during: () => Promise<void>): Promise<void> {
  const builder = postgres(db.url, { max: 1, onnotice() {} })
  const holder = await db.sql.reserve()
  try {
    await holder.unsafe('begin')
    await holder`insert into session values ('held', '{"cookie":{}}', now() + interval '1 day')`
    const build = builder.unsafe(statement).execute()
    // Where something else fails first, nobody is left to hear of it.
    build.catch(() => {})
    const isThere = async () => (await indexes()).includes(`${name} (invalid)`)
    while (!(await isThere())) await new Promise((resume) => setTimeout(resume, 10))
    await during()
    await holder.unsafe('rollback')
    await build
  } finally {
    await holder.unsafe('rollback')
    holder.release()
    await builder.end({ timeout: 0 })
  }
}

const builds = [
  {
    code: 'sid-unique-invalid',
    make: 'alter table session drop constraint session_pkey',
    statement: 'create unique index concurrently new on session (sid)',
    name: 'new',
    flags: [],
  },
  {
    code: 'expire-index-invalid',
    make: 'drop index "IDX_session_expire"',
    statement: 'create index concurrently new on session (expire)',
    name: 'new',
    flags: [],
  },
  {
    code: 'user-index-invalid',
    make: 'select 1',
    statement: USER.createConcurrently,
    name: USER.name,
    flags: ['--user-index'],
  },
]
for (const { code, make, statement, name, flags } of builds) {
  test(`while somebody builds the index of ${code}, no repair is offered that would drop or build it`, async () => {
    await table(make)
    await whileBuilding(statement, name, async () => {
      const found = await findings(...flags)
      assert.deepEqual(
        found.map((each) => [each.code, each.fix]),
        [[code, null]],
      )
      assert.match(found[0]?.found ?? '', /is invalid, and somebody works on the table/)
      const { err } = await doctor('--fix', '--yes', ...flags)
      assert.match(err, /There is nothing that can be repaired/)
    })
    assert.deepEqual(await findings(...flags), [])
    assert.ok((await indexes()).includes(name))
  })
}

test('while somebody builds any other index, or builds one anew, none is called invalid', async () => {
  await table('create index other on session (lower(sid))')
  await whileBuilding('create index concurrently more on session (upper(sid))', 'more', async () => {
    assert.deepEqual(await findings(), [])
  })
  await whileBuilding('reindex index concurrently other', 'other_ccnew', async () => {
    assert.deepEqual(await findings(), [])
  })
  assert.deepEqual(await indexes(), ['IDX_session_expire', 'more', 'other', 'session_pkey'])
})

test('no index is dropped that somebody builds anew under a lock on the table, and it is found afterwards', async () => {
  await table('create index other on session (lower(sid))', invalidate('other'))
  await db.sql.unsafe(USER.create)
  await db.sql.unsafe(invalidate(USER.name))
  await db.sql.begin(async (holder) => {
    await holder`lock table session in share mode`
    const found = await findings('--user-index')
    assert.deepEqual(
      found.map(({ code }) => code),
      ['user-index-invalid', 'lock-held'],
    )
    assert.equal(found[0]?.fix, null)
  })
  await db.sql.unsafe(`drop index "${USER.name}"`)
  assert.deepEqual(
    (await findings()).map(({ fix }) => fix),
    ['drop index concurrently public.other;'],
  )
})

test('--fix drops what builds have left, and nothing else', async () => {
  await table(
    'create index session_expire_idx on session (expire)',
    invalidate('session_expire_idx'),
    USER.create,
    `create index "${USER.name}_ccnew" on session (sid, expire)`,
    invalidate(`${USER.name}_ccnew`),
  )
  assert.deepEqual(await findings('--fix', '--yes'), [])
  assert.deepEqual(await indexes(), ['IDX_session_expire', USER.name, 'session_pkey'])
})

test('an index that somebody has built since the doctor looked is not dropped', async () => {
  await table(
    'drop index "IDX_session_expire"',
    'create index other on session (lower(sid))',
    invalidate('other'),
  )
  const holder = await db.sql.reserve()
  try {
    await holder`begin`
    await holder`insert into session values ('held', '{"cookie":{}}', now() + interval '1 day')`
    // The repair before that of the other one waits for the holder.
    const fixing = doctor('--fix', '--yes')
    while (!(await indexes()).includes('session_expire_idx (invalid)'))
      await new Promise((resume) => setTimeout(resume, 10))
    await db.sql`update pg_index set indisvalid = true where indexrelid = 'other'::regclass`
    await holder`rollback`
    const { err } = await fixing
    assert.match(
      err,
      /^Not run, as it is not called for any more, .*: drop index concurrently public\.other$/m,
    )
  } finally {
    await holder`rollback`
    holder.release()
  }
  assert.deepEqual(await indexes(), ['other', 'session_expire_idx', 'session_pkey'])
})

const missing = [
  {
    code: 'sid-unique-missing',
    drop: 'alter table session drop constraint session_pkey',
    create: 'create unique index on session (sid)',
    flags: [],
  },
  {
    code: 'expire-index-missing',
    drop: 'drop index "IDX_session_expire"',
    create: 'create index on session (expire)',
    flags: [],
  },
  {
    code: 'expire-index-kind',
    drop: 'drop index "IDX_session_expire"; create index "IDX_session_expire" on session using hash (expire)',
    create: 'create index on session (expire)',
    flags: [],
  },
  { code: 'user-index-missing', drop: 'select', create: USER.create, flags: ['--user-index'] },
  {
    code: 'user-index-path',
    drop: userIndex(names('session', undefined), ['other', 'path']).create,
    create: USER.create,
    flags: ['--user-index'],
  },
]
for (const { code, drop, create, flags } of missing) {
  test(`while somebody builds the index of ${code}, or waits to, no second one is built`, async () => {
    await table(drop)
    const [plain, built] = [/^((?!somebody).)*$/, /, and somebody works .*, or waits to, as a build does$/]
    const offered = async (text: RegExp) => {
      const found = (await findings(...flags)).filter((each) => each.code === code)
      assert.match(found[0]?.found ?? '', text)
      return found.map(({ fix }) => fix !== null)
    }
    assert.deepEqual(await offered(plain), [true])
    const builder = await db.sql.reserve()
    try {
      // Not in the catalogue before its end.
      await builder`begin`
      await builder.unsafe(create)
      assert.deepEqual(await offered(built), [false])
    } finally {
      await builder`rollback`
      builder.release()
    }
    await db.sql.begin(async (holder) => {
      await holder`lock table session in share update exclusive mode`
      // As a vacuum does.
      assert.deepEqual(await offered(plain), [true])
      const waiting = postgres(db.url, { max: 1, onnotice() {} })
      const build = waiting.unsafe(create.replace(' index ', ' index concurrently ')).catch(() => {})
      const isWaiting = async () =>
        (await db.sql`select from pg_locks where relation = 'session'::regclass and not granted`).length > 0
      try {
        while (!(await isWaiting())) await new Promise((resume) => setTimeout(resume, 10))
        assert.deepEqual(await offered(built), [false])
      } finally {
        await db.sql`
          select pg_cancel_backend(pid) from pg_locks where relation = 'session'::regclass and not granted`
        await build
        await waiting.end({ timeout: 5 })
      }
    })
  })
}

test('an index that somebody has built since the doctor looked is not built a second time', async () => {
  await table(
    'alter table session drop constraint session_pkey',
    'drop index "IDX_session_expire"',
    `create index other on session (expire) where sid <> 'x'`,
  )
  const holder = await db.sql.reserve()
  try {
    await holder`begin`
    await holder`insert into session values ('held', '{"cookie":{}}', now() + interval '1 day')`
    // The repair before that of the other one waits for the holder.
    const fixing = doctor('--fix', '--yes')
    while (!(await indexes()).includes('session_sid_idx (invalid)'))
      await new Promise((resume) => setTimeout(resume, 10))
    // No build could have ended beside the first repair's.
    await db.sql`update pg_index set indpred = null where indexrelid = 'other'::regclass`
    await holder`rollback`
    const { err } = await fixing
    assert.match(
      err,
      /^Not run, as it is not called for any more, .*: create index concurrently on .*\("expire"\)$/m,
    )
  } finally {
    await holder`rollback`
    holder.release()
  }
  assert.deepEqual(await indexes(), ['other', 'session_sid_idx'])
})

test('a database that is read-only ends the repairs at the first, and says so once', async () => {
  await table('alter table session drop constraint session_pkey', 'drop index "IDX_session_expire"')
  const url = `${db.url}?options=-c%20default_transaction_read_only%3Don`
  const { code, err, out } = await cli(['doctor', '--fix', '--yes', '--url', url])
  assert.equal(code, 1)
  assert.equal(err.match(/read-only transaction/g)?.length, 1, err)
  assert.match(err, /^connect-postgres-simple: .*\[SQLSTATE 25006\]/m)
  assert.equal(out, '')
})

test('a vacuum is not taken for a build, neither of what is missing nor of what is invalid', async () => {
  await table(
    'drop index "IDX_session_expire"',
    'create index other on session (lower(sid))',
    invalidate('other'),
  )
  await db.sql`
    insert into session select n, '{"cookie":{}}', now() + interval '1 day' from generate_series(1, 20000) n`
  const vacuum = postgres(db.url, { max: 1, onnotice() {} })
  await vacuum`set vacuum_cost_delay = 100`
  await vacuum`set vacuum_cost_limit = 1`
  const running = vacuum`vacuum session`.catch(() => {})
  const works = async () =>
    (await db.sql`select from pg_stat_progress_vacuum where datname = current_database()`).length > 0
  try {
    while (!(await works())) await new Promise((resume) => setTimeout(resume, 10))
    const found = await findings()
    assert.ok(await works())
    assert.deepEqual(
      found.map(({ code, fix }) => [code, fix !== null]),
      [
        ['expire-index-missing', true],
        ['index-invalid', true],
      ],
    )
  } finally {
    await db.sql`
      select pg_cancel_backend(pid) from pg_stat_progress_vacuum where datname = current_database()`
    await running
    await vacuum.end()
  }
})

test('somebody who waits for a session is not taken for a build', async () => {
  await table('drop index "IDX_session_expire"')
  await db.sql`insert into session values ('row', '{"cookie":{}}', now() + interval '1 day')`
  const waiting = postgres(db.url, { max: 2, onnotice() {} })
  let updates: Promise<unknown>[] = []
  await db.sql.begin(async (holder) => {
    await holder`select from session where sid = 'row' for update`
    updates = [1, 2].map((days) =>
      waiting`update session set expire = now() + ${days} * interval '1 day' where sid = 'row'`.execute(),
    )
    const locks = () => db.sql`
      select from pg_locks where relation = 'session'::regclass and locktype = 'tuple'`
    while ((await locks()).length < 2) await new Promise((resume) => setTimeout(resume, 10))
    const missing = (await findings()).find(({ code }) => code === 'expire-index-missing')
    assert.deepEqual([missing?.found, missing?.fix !== null], ['none', true])
  })
  await Promise.all(updates)
  await waiting.end()
})

test('a repair whose connection is lost is not begun again beside the first, nor is another', async () => {
  await table('alter table session drop constraint session_pkey', 'drop index "IDX_session_expire"')
  const between = await proxy(db.url)
  const holder = await db.sql.reserve()
  try {
    await holder`begin`
    await holder`insert into session values ('held', '{"cookie":{}}', now() + interval '1 day')`
    const fixing = cli(['doctor', '--fix', '--yes', '--url', between.url])
    const isThere = async () => (await indexes()).includes('session_sid_idx (invalid)')
    while (!(await isThere())) await new Promise((resume) => setTimeout(resume, 10))
    between.hangUp()
    const { err, out } = await fixing
    assert.match(err, /^The repair of sid-unique-missing failed: .*CONNECTION_CLOSED/m)
    assert.match(err, /^Not run, .*: create index concurrently on .*\("expire"\)$/m)
    assert.match(out, /session_sid_idx is invalid, and somebody works on/)
    await holder`rollback`
    while (await isThere()) await new Promise((resume) => setTimeout(resume, 10))
    assert.deepEqual(await indexes(), ['session_sid_idx'])
  } finally {
    await holder`rollback`
    holder.release()
    await between.close()
  }
})

test('where the doctor cannot look again after a repair, it says what was run', async () => {
  await table('drop index "IDX_session_expire"')
  const between = await proxy(db.url)
  const holder = await db.sql.reserve()
  try {
    await holder`begin`
    await holder`insert into session values ('held', '{"cookie":{}}', now() + interval '1 day')`
    const fixing = cli(['doctor', '--fix', '--yes', '--url', between.url, '--admin-url', db.url])
    while (!(await indexes()).includes('session_expire_idx (invalid)'))
      await new Promise((resume) => setTimeout(resume, 10))
    await between.close()
    await holder`rollback`
    const { err, code } = await fixing
    assert.equal(code, 2)
    assert.match(
      err,
      /^Run before this error: create index concurrently on "public"\."session" \("expire"\);\nconnect-postgres-simple: /m,
    )
  } finally {
    await holder`rollback`
    holder.release()
  }
})

test('of several invalid indexes on the expiry one is built anew, and the others are dropped', async () => {
  await table(
    'create index session_expire_idx on session (expire)',
    invalidate('session_expire_idx'),
    invalidate('IDX_session_expire'),
  )
  assert.deepEqual(
    (await findings()).map(({ code }) => code),
    ['expire-index-invalid', 'index-invalid'],
  )
  assert.deepEqual(await findings('--fix', '--yes'), [])
  assert.equal((await indexes()).length, 2)
})

test('an invalid index on user ids is built anew where it is asked for, and else dropped, as nobody may need it', async () => {
  const make = () => table(USER.create, invalidate(USER.name))
  await make()
  const asked = await findings('--user-index')
  assert.deepEqual(
    asked.map(({ code, fix }) => [code, fix]),
    [['user-index-invalid', `reindex index concurrently "public"."${USER.name}";`]],
  )
  await doctor('--fix', '--yes', '--user-index')
  assert.deepEqual(await indexes(), ['IDX_session_expire', USER.name, 'session_pkey'])
  await make()
  assert.deepEqual(
    (await findings()).map(({ code, fix }) => [code, fix]),
    [['index-invalid', `drop index concurrently public."${USER.name}";`]],
  )
})

test('an index of a partitioned table that some partitions lack is worth a note, and nothing is dropped', async () => {
  await db.sql.unsafe(`
    drop table session;
    create table session (sid varchar primary key, sess json not null, expire timestamp(6) not null)
      partition by hash (sid);
    create table part partition of session for values with (modulus 1, remainder 0);
    create index on session (expire);
    create index other on only session (lower(sid))`)
  const found = await findings()
  assert.deepEqual(
    found.map(({ code, severity, fix }) => [code, severity, fix]),
    [
      ['table-partitioned', 'note', null],
      ['index-invalid', 'note', null],
    ],
  )
  await doctor('--fix', '--yes')
  assert.ok((await indexes()).includes('other (invalid)'))
})

test('a primary key of a partitioned table that is invalid is not offered a drop, which would fail', async () => {
  await db.sql.unsafe(`
    drop table session;
    create table session (sid varchar not null, sess json not null, expire timestamp(6) not null)
      partition by hash (sid);
    create table part partition of session for values with (modulus 1, remainder 0);
    create index on session (expire);
    alter table only session add primary key (sid)`)
  const found = await findings()
  assert.deepEqual(
    found.map(({ code, fix }) => [code, fix]),
    [
      ['sid-unique-invalid', null],
      ['table-partitioned', null],
    ],
  )
})

test('an index of a partition that the partitioned table needs is built anew, as it cannot be dropped', async () => {
  await db.sql.unsafe(`
    drop table session;
    create table session (sid varchar primary key, sess json not null, expire timestamp(6) not null)
      partition by hash (sid);
    create table part partition of session for values with (modulus 1, remainder 0);
    create index on session (expire);
    create index other on session (lower(sid));
    ${invalidate('part_lower_idx')}`)
  const found = await findings('--table', 'part')
  assert.deepEqual(
    found.map(({ code, fix }) => [code, fix]),
    [['index-invalid', 'reindex index concurrently public.part_lower_idx;']],
  )
  assert.deepEqual(await findings('--table', 'part', '--fix', '--yes'), [])
})

test('no connection of these commands is left', () => db.drop())
