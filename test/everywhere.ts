// `npm run test:everywhere`: the store in other hosts, packages and servers than those of `npm test`, each as
// its users have it. Installs them in folders of their own while it runs. The first argument chooses files by
// a part of their path; `--quick` leaves out what adds little to the rest.

import { execFileSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { startPostgres } from '../server/postgres.js'
import { runFile } from './support/file.ts'

const args = process.argv.slice(2)
const isQuick = args.includes('--quick')
const pattern = args.find((arg) => !arg.startsWith('--')) ?? ''
const files = ['hosts', 'moving', 'servers', 'tarball'].flatMap((folder) =>
  readdirSync(new URL(`${folder}/`, import.meta.url))
    .filter((name) => name.endsWith('.test.ts') && `${folder}/${name}`.includes(pattern))
    .map((name) => `${folder}/${name}`),
)

execFileSync(process.execPath, [fileURLToPath(new URL('../scripts/build.js', import.meta.url))], {
  stdio: 'inherit',
})
// Not UTC, as for `npm test`.
const server = await startPostgres({ flags: ['-c', 'timezone=America/St_Johns', '-c', 'fsync=off'] })
const env = {
  ...process.env,
  NO_COLOR: '1',
  TEST_DATABASE_URL: server.url,
  ...(isQuick && { EVERYWHERE: 'quick' }),
}
let [passed, failed] = [0, 0]
// One after the other: they install, and start processes of their own.
for (const name of files) {
  const result = await runFile(name, env, (text) => void process.stdout.write(text), 60)
  passed += result.passed
  failed += result.failed
  if (result.trouble) console.log(`${name}: ${result.trouble}`)
}
await server.stop()
console.log(`${passed} passed, ${failed} failed`)
process.exit(failed === 0 && passed > 0 ? 0 : 1)
