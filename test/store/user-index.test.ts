// The index on user ids: what rows may hold beside it, what it finds, and how it is created.

import assert from 'node:assert/strict'
import type { SessionData } from 'express-session'
import postgres from 'postgres'
import { names } from '../../src/table/names.ts'
import type { SessForm } from '../../src/table/sess-form.ts'
import { pieces } from '../../src/table/sql.ts'
import { userIndex } from '../../src/table/user-index.ts'
import { ofUser, userParameter } from '../../src/table/user-key.ts'
import { database, tableSql } from '../support/database.ts'
import { failure } from '../support/failure.ts'
import { incumbent } from '../support/incumbent.ts'
import { gather, worker } from '../support/processes.ts'
import { promises } from '../support/promise.ts'
import { execute } from '../support/statement.ts'
import { Store, sessionOf, withStore } from '../support/store.ts'

const db = await database('user_index')
const test = promises('user index')
const path = ['passport', 'user']

const [{ version }] = (await db.sql`select current_setting('server_version_num')::int as version`) as any
const major = Math.floor(version / 10_000)
const canRebuild = major >= 12
const needs16 = major < 16 ? 'PostgreSQL tells JSON from other text since version 16' : undefined

const long = 'u'.repeat(100_000)

/** Texts that are JSON, each with the id that stands in it, if there is one. */
const texts: [text: string, id?: string][] = [
  ['{"passport":{"user":42}}', '42'],
  ['{"passport":{"user":"42"},"x":"\\\\"}', '42'],
  ['{"passport":{"user":"é😀\\"\\\\u\\n/users/1"}}', 'é😀"\\u\n/users/1'],
  ['{"passport":{"user":"\\u00e9"}}', 'é'],
  ['{"passport":{"user":"ann\\u0000"}}', 'ann\0'],
  ['{"passport":{"user":"\\ud800"}}', '\ud800'],
  ['{"passport":{"user":"CORP\\\\udead"}}', 'CORP\\udead'],
  ['{"passport":{"user":"CORP\\\\ulrich"}}', 'CORP\\ulrich'],
  ['{"passport":{"user":"/u"}}', '/u'],
  [`{"passport":{"user":"${long}"}}`, long],
  ['{"passport":{"user":"bob"},"flash":"\\u0000\\ud800 \\\\u \\\\\\u0041"}', 'bob'],
  ['{"\\ud800":1,"passport":{"user":"cat"}}', 'cat'],
  [`{"passport":{"user":"dan"},"x":"${'\\u0000'.repeat(170_000)}"}`, 'dan'],
  [`{"passport":{"user":"eve"},"x":${'['.repeat(4000)}${']'.repeat(4000)}}`, 'eve'],
  ...['5', 'null', '"\\u0000"', '[1,[2]]', '{}', '{"passport":5}', '{"passport":[5]}'].map(
    (text) => [text] as [string],
  ),
  ['{"passport":{"user":null}}'],
  ['{"passport":{"user":{"id":42}}}'],
  ['{"user":42,"a":{"passport":{"user":42}}}'],
]

/** jsonb refuses NUL and half a surrogate pair by itself. */
const isForJsonb = ([text]: [string, string?]) => !/\\u0000|\\ud800/.test(text)

const columns: { type: string; form: SessForm; skip?: string | undefined }[] = [
  { type: 'json', form: 'json' },
  { type: 'jsonb', form: 'json' },
  { type: 'text', form: 'text', skip: needs16 },
  { type: 'text', form: 'old text' },
]

for (const { type, form, skip } of columns) {
  const rows = type === 'jsonb' ? texts.filter(isForJsonb) : texts
  const table = `${type}_${form.replace(' ', '_')}`
  const statement = ofUser(`"${table}"`, pieces(), path, { form, sidType: '' })
  const found = async (id: string, setting = 'select') => {
    const all = await db.sql.begin(async (sql) => {
      await sql.unsafe(setting)
      return execute(sql, statement, { user: userParameter(id), now: 0 })
    })
    return all.map(([sid]) => sid as string)
  }

  test(
    `no row makes an INSERT or UPDATE beside the index fail, and each user's rows are found: ${type}, ${form}`,
    async () => {
      await db.sql.unsafe(
        tableSql
          .replace('json', type)
          .replace('"session"', `"${table}"`)
          .replace('IDX_', `${table}_`)
          .replace('"session"', `"${table}"`),
      )
      if (form !== 'old text') await db.sql.unsafe(userIndex(names(table, undefined), path, form).create)
      if (type === 'text') {
        for (const text of ['', 'no JSON', '{"passport":{"user":4', '"\\', '{"passport":{"user":42}} 42'])
          await db.sql.unsafe(`insert into "${table}" values ($1, $2, now() + interval '1 day')`, [
            `not ${text}`,
            text,
          ])
      }
      for (const [i, [text]] of rows.entries()) {
        await db.sql.unsafe(
          `insert into "${table}" values ($1, $2::text::${type}, now() + interval '1 day')`,
          [String(i), text],
        )
        await db.sql.unsafe(`update "${table}" set sess = $2::text::${type} where sid = $1`, [
          String(i),
          text,
        ])
        await db.sql.unsafe(`update "${table}" set expire = now() + interval '1 hour' where sid = $1`, [
          String(i),
        ])
      }
      for (const [i, [, id]] of rows.entries()) {
        if (id === undefined) continue
        const sids = await found(id)
        assert.ok(sids.includes(String(i)), `${id.slice(0, 20)} is not found`)
        if (form === 'old text') continue
        assert.deepEqual(await found(id, 'set local enable_seqscan = off'), sids)
        // Those of others are few: ids with an escape, which are rare, share a key.
        assert.ok(sids.length <= 6, `${id.slice(0, 20)}: ${sids}`)
      }
    },
    { skip, seconds: 60 },
  )

  if (form === 'old text') continue
  test(
    `the search uses the index: ${type}, ${form}`,
    async () => {
      const plan = await db.sql.begin(async (sql) => {
        await sql`set local enable_seqscan = off`
        return execute(sql, { ...statement, text: `explain ${statement.text}` }, { user: '42', now: 0 })
      })
      const { name } = userIndex(names(table, undefined), path, form)
      assert.ok(plan.flat().join('\n').includes(name), plan.flat().join('\n'))
    },
    { skip },
  )
}

test('connect-pg-simple saves beside the index whatever it could save without', async () => {
  await db.sql.unsafe(tableSql)
  const theirs = incumbent(db.url)
  try {
    const sessions = [{ user: 'ann\0' }, { user: long }, { user: '\ud800' }, { user: { id: 1 } }].map(
      (passport) => sessionOf({ passport, flash: '\ud800\0' }),
    )
    const save = () => Promise.all(sessions.map((session, i) => theirs.set(`their-${i}`, session)))
    await save()
    await db.sql.unsafe(userIndex(names('session', undefined), path).create)
    await save()
    await db.sql`delete from session`
    await save()
    await Promise.all(sessions.map((session: SessionData, i) => theirs.touch(`their-${i}`, session)))
    assert.equal((await db.sql`select from session`).length, sessions.length)
  } finally {
    await theirs.close()
  }
})

const { name: indexName } = userIndex(names('session', undefined), path)

/** The indexes of the table, those that cannot be used marked. */
const indexes = async (table = 'session') =>
  (
    await db.sql`
      select c.relname || case when i.indisvalid then '' else ' (invalid)' end as name
      from pg_index i join pg_class c on c.oid = i.indexrelid
      where i.indrelid = ${table}::regclass order by 1`
  ).map(({ name }) => name)
const ALL = ['IDX_session_expire', indexName, 'session_pkey']

/** An index that is being built while the transaction lasts: the build waits for it. */
const whileBuilding = (during: () => Promise<void>) =>
  db.sql.begin(async (holder) => {
    await holder`insert into session values ('held', '{}', now())`
    await during()
  })

/** Leaves an invalid index, as a build does whose server is stopped. */
/** What was left of a build, where the store cannot build it anew. */
async function dropUnlessRebuilt(): Promise<void> {
  if (!canRebuild) await db.sql.unsafe(`drop index if exists "${indexName}"`)
}

async function breakIndex(): Promise<void> {
  await db.sql.unsafe(`drop index if exists "${indexName}"`)
  const admin = postgres(db.url, { max: 1, onnotice() {} })
  const build = admin.unsafe(userIndex(names('session', undefined), path).createConcurrently).catch(() => {})
  await whileBuilding(async () => {
    const isThere = async () => (await indexes()).includes(`${indexName} (invalid)`)
    while (!(await isThere())) await new Promise((resume) => setTimeout(resume, 10))
    await db.sql`
      select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and query ilike 'create index%' and pid <> pg_backend_pid()`
    await build
  })
  await admin.end({ timeout: 1 })
  await db.sql`delete from session where sid = 'held'`
  assert.ok((await indexes()).includes(`${indexName} (invalid)`))
}

test('a table that is created with `userIndex: true` has the index from the start', () =>
  withStore(
    { conString: db.url, tableName: 'new', createTableIfMissing: true, userIndex: true },
    async (store) => {
      assert.deepEqual(await store.idsByUser(42), [])
      const { name } = userIndex(names('new', undefined), path)
      assert.deepEqual(await indexes('new'), ['IDX_new_expire', name, 'new_pkey'])
      await store.createUserIndex()
      assert.deepEqual(await indexes('new'), ['IDX_new_expire', name, 'new_pkey'])
    },
  ))

test(
  'twenty processes that create the index at once all succeed, and there is one',
  async () => {
    await db.sql.unsafe(`drop index if exists "${indexName}"`)
    await db.sql`
      insert into session
      select i::text, json_build_object('passport', json_build_object('user', i)), now() + interval '1 day'
      from generate_series(1, 20000) i`
    const workers = Array.from({ length: 20 }, () => worker('create-user-index', { url: db.url }))
    assert.deepEqual(await gather(workers), Array(20).fill('created'))
    assert.deepEqual(await indexes(), ALL)
  },
  { seconds: 90 },
)

test(
  'an index that a failed build has left is built anew, and another one is left as it is',
  async () => {
    await db.sql`create index theirs on session (lower(sid))`
    await breakIndex()
    await withStore({ conString: db.url }, (store) => store.createUserIndex())
    assert.deepEqual(await indexes(), [...ALL, 'theirs'])
    await db.sql`drop index theirs`
  },
  { skip: canRebuild ? undefined : 'before PostgreSQL 12 no index is rebuilt beside the traffic' },
)

test('a store that is closed before it could ask for the index builds none', async () => {
  await db.sql.unsafe(`drop index if exists "${indexName}"`)
  const store = new Store({ conString: db.url, pruneSessionInterval: false })
  const creation = failure(store.createUserIndex())
  await store.close()
  assert.equal((await creation).code, 'STORE_CLOSED')
  assert.ok(!(await indexes()).some((name) => name.startsWith(indexName)))
})

test('the table stays in use while the index is built, and `close` does not wait for the build', async () => {
  await db.sql.unsafe(`drop index if exists "${indexName}"`)
  await whileBuilding(async () => {
    await withStore({ conString: db.url, max: 1 }, async (store) => {
      const [creation, same] = [store.createUserIndex(), store.createUserIndex()]
      const isThere = async () => (await indexes()).includes(`${indexName} (invalid)`)
      while (!(await isThere())) await new Promise((resume) => setTimeout(resume, 10))
      await store.set('used', sessionOf({ passport: { user: 'used' } }))
      assert.deepEqual(await store.idsByUser('used'), ['used'])
      const failures = Promise.all([failure(creation), failure(same)])
      await store.close()
      assert.deepEqual(
        (await failures).map(({ code }) => code),
        ['STORE_CLOSED', 'STORE_CLOSED'],
      )
    })
    await db.sql`
        select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and query ilike 'create index%' and pid <> pg_backend_pid()`
  })
  await db.sql`delete from session`
  await dropUnlessRebuilt()
  // By the app's own connections.
  const shared = postgres(db.url, { max: 2, onnotice() {} })
  await withStore({ postgres: shared, isolate: false }, (store) => store.createUserIndex())
  await shared.end()
  assert.deepEqual(await indexes(), ALL)
})

test('an index that cannot be built is an error that says why', async () => {
  await db.sql.unsafe(tableSql.replace('json', 'text').replaceAll('session', 'texts'))
  const taken = userIndex(names('texts', undefined), path, 'text').name
  await db.sql.unsafe(`create table "${taken}" ()`)
  await withStore({ conString: db.url, tableName: 'texts' }, async (store) => {
    const { code } = await failure(store.createUserIndex())
    assert.equal(code, needs16 ? '0A000' : '42P07')
  })
  await withStore({ conString: db.url, tableName: 'nowhere' }, async (store) => {
    assert.equal((await failure(store.createUserIndex())).code, '42P01')
  })
})

test('a statement_timeout of the role cuts the build off with its own code, and one of the connection comes before it', async () => {
  await db.sql.unsafe(`drop index if exists "${indexName}"`)
  const setting = (what: string) =>
    db.sql.unsafe(
      `do $$ begin execute format('alter role current_user in database %I ${what}', current_database()); end $$`,
    )
  await setting(`set statement_timeout = ''300ms''`)
  try {
    await withStore({ conString: db.url }, async (store) => {
      assert.equal((await failure(store.createUserIndex())).code, '57014')
    })
    const conString = `${db.url}?statement_timeout=0&lock_timeout=0`
    await dropUnlessRebuilt()
    await withStore({ conString }, (store) => store.createUserIndex())
    assert.deepEqual(await indexes(), ALL)
  } finally {
    await setting('reset statement_timeout')
  }
})

test(
  'a partitioned table is refused with the code of PostgreSQL, and an index that is there is used',
  async () => {
    await db.sql.unsafe(`
    create table parted (sid varchar primary key, sess json not null, expire timestamp(6) not null) partition by hash (sid);
    create table parted_0 partition of parted for values with (modulus 2, remainder 0);
    create table parted_1 partition of parted for values with (modulus 2, remainder 1)`)
    await withStore({ conString: db.url, tableName: 'parted' }, async (store) => {
      assert.equal((await failure(store.createUserIndex())).code, '0A000')
      await db.sql.unsafe(userIndex(names('parted', undefined), path).create)
      await store.createUserIndex()
      await store.set('parted', sessionOf({ passport: { user: 'parted' } }))
      assert.deepEqual(await store.idsByUser('parted'), ['parted'])
    })
  },
  { skip: major < 11 ? 'there is no partitioning by hash before PostgreSQL 11' : undefined },
)

test('no connection is left behind', () => db.drop())
