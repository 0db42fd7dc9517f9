// `npm run test:examples`: installs each example as a user would, starts it on a PostgreSQL of its own, and
// is its user. Knows of an example only its routes: /login, /me, /logout, and /report, which takes a second
// and changes the session.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import postgres from 'postgres'
import { startPostgres } from '../../server/postgres.js'
import { type Program, program } from '../support/processes.ts'
import { within } from '../support/promise.ts'

interface Example {
  readonly name: string
  readonly body: 'form' | 'json'
  readonly checksPasswords?: true
}

const examples: readonly Example[] = [
  { name: 'express-passport', body: 'form', checksPasswords: true },
  { name: 'typescript', body: 'form' },
  { name: 'nestjs', body: 'form' },
  { name: 'fastify', body: 'json' },
]

const root = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '')
const folder = (name: string) => `${root}/examples/${name}`
const npm = (cwd: string, ...args: string[]) => execFileSync('npm', args, { cwd, stdio: 'inherit' })

/** A browser of one user: it keeps the last cookie. */
class User {
  cookie = ''
  readonly #url: string
  readonly #body: Example['body']

  constructor(url: string, { body }: Example) {
    this.#url = url
    this.#body = body
  }

  /** The status, and for 200 what the app said. */
  async ask(path: string, given?: Record<string, string>): Promise<{ status: number; said?: any }> {
    const [type, body] =
      this.#body === 'form'
        ? ['application/x-www-form-urlencoded', new URLSearchParams(given).toString()]
        : ['application/json', JSON.stringify(given)]
    const headers: Record<string, string> = { connection: 'close', cookie: this.cookie }
    const isPost = given !== undefined || path === '/logout'
    const response = await fetch(this.#url + path, {
      method: isPost ? 'POST' : 'GET',
      headers: given ? { ...headers, 'content-type': type } : headers,
      ...(given && { body }),
    })
    const [cookie] = response.headers.getSetCookie()
    if (cookie) this.cookie = cookie.split(';')[0] as string
    const text = await response.text()
    return response.status === 200 ? { status: 200, said: JSON.parse(text) } : { status: response.status }
  }

  logIn(password = 'secret') {
    return this.ask('/login', { username: 'ann', password })
  }
}

async function start({ name }: Example, url: string): Promise<{ app: Program; url: string }> {
  const { scripts } = JSON.parse(readFileSync(`${folder(name)}/package.json`, 'utf8'))
  const app = program(process.execPath, [`${folder(name)}/${scripts.start.replace(/^node /, '')}`], {
    DATABASE_URL: url,
    PORT: '0',
    NODE_ENV: 'development',
  })
  const [, listening] = await app.printed(/Listening on (http:\S+)/)
  return { app, url: listening as string }
}

async function stop({ app }: { app: Program }): Promise<void> {
  app.child.kill('SIGTERM')
  const { code, signal, output } = await app.ended()
  assert.deepEqual([code, signal], [0, null], output)
}

/** Logs out while a request of the same session is at work. @returns the status of a request after both */
async function logOutDuringReport(user: User): Promise<number> {
  // On a slow machine the report may begin after the logout, or end before it: then once more.
  for (let attempt = 0; ; attempt++) {
    await user.logIn()
    const { cookie } = user
    let isAtWork = true
    const report = user.ask('/report').finally(() => {
      isAtWork = false
    })
    await pause(400)
    await user.ask('/logout')
    const wasInTime = isAtWork
    const { status } = await report
    user.cookie = cookie
    if ((wasInTime && status === 200) || attempt === 5) return (await user.ask('/me')).status
  }
}

async function tryOut(example: Example, server: string): Promise<void> {
  npm(folder(example.name), 'ci', '--ignore-scripts')
  npm(folder(example.name), 'run', 'build', '--if-present')

  const admin = postgres(server, { max: 1 })
  const database = `example_${example.name.replace('-', '_')}_${process.pid}`
  await admin.unsafe(`create database ${database}`)
  const url = Object.assign(new URL(server), { pathname: `/${database}` }).href
  const sql = postgres(url, { max: 1 })
  const rows = async () => (await sql`select count(*)::int as n from session`)[0]?.['n']

  let running = await start(example, url)
  try {
    const user = new User(running.url, example)
    assert.equal((await user.ask('/me')).status, 401, 'nobody is logged in at first')
    if (example.checksPasswords) assert.equal((await user.logIn('wrong')).status, 401, 'a wrong password')

    assert.deepEqual(await user.logIn(), { status: 200, said: { user: 'ann' } })
    assert.deepEqual((await user.ask('/me')).said, { user: 'ann', views: 1 })

    const before = user.cookie
    await user.logIn()
    assert.notEqual(user.cookie, before, 'a login gives a new sid')
    const thief = new User(running.url, example)
    thief.cookie = before
    assert.equal((await thief.ask('/me')).status, 401, 'the sid from before the login is worth nothing')
    assert.equal((await user.ask('/me')).said.views, 1)
    assert.equal(await rows(), 1, 'of two logins and a visitor only the last login has a row')

    await stop(running)
    running = await start(example, url)
    const sameUser = new User(running.url, example)
    sameUser.cookie = user.cookie
    assert.equal((await sameUser.ask('/me')).said?.views, 2, 'a restart logs nobody out')

    assert.equal((await sameUser.ask('/logout')).status, 204)
    sameUser.cookie = user.cookie
    assert.equal((await sameUser.ask('/me')).status, 401, 'a logout ends the session')
    assert.equal(await rows(), 0, 'a logout deletes the row')

    const status = await logOutDuringReport(sameUser)
    assert.equal(status, 401, 'a late save does not undo a logout')
    await stop(running)
  } finally {
    running.app.child.kill('SIGKILL')
    await sql.end()
    await admin.unsafe(`drop database ${database} with (force)`)
    await admin.end()
  }
}

const only = process.argv[2] ?? ''
execFileSync(process.execPath, [`${root}/scripts/build.js`], { stdio: 'inherit' })
const server = await startPostgres()
let failed = 0
for (const example of examples.filter(({ name }) => name.includes(only))) {
  const begun = Date.now()
  const result = await within(120, () => tryOut(example, server.url)).then(
    () => 'ok',
    (error) => error,
  )
  if (result !== 'ok') failed++
  console.log(`examples/${example.name}:`, result, `(${((Date.now() - begun) / 1000).toFixed(1)} s)`)
}
await server.stop()
// By itself the process would end only when a program that hangs does.
process.exit(failed === 0 ? 0 : 1)
