// What the doctor says of indexes that are invalid, as those are that somebody is building at this moment.

import assert from 'node:assert/strict'
import postgres from 'postgres'
import { names } from '../../src/table/names.ts'
import { userIndex } from '../../src/table/user-index.ts'
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

test('no connection of these commands is left', () => db.drop())
