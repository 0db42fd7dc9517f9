// The command line as a process of its own, and on a terminal: signals, pipes, questions, colours.

import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { EventEmitter } from 'node:events'
import { connect } from 'node:net'
import type { TransactionSql } from 'postgres'
import { stopOnSignals } from '../../src/cli/signals.ts'
import { database } from '../support/database.ts'
import { port } from '../support/port.ts'
import { compile, program } from '../support/processes.ts'
import { promises } from '../support/promise.ts'

const db = await database('cli_process')
const test = promises('command line as a process')

const node = [process.execPath, compile('src/cli/bin.ts')]
const env = { DATABASE_URL: db.url, NO_COLOR: '', TERM: 'xterm' }
const run = (...args: string[]) => program(process.execPath, [...node.slice(1), ...args], env)

/** Why there is no terminal, if there is none: `script` of util-linux gives one to a program. */
function noTerminal(): string | undefined {
  try {
    return execFileSync('script', ['--version'], { encoding: 'utf8' }).includes('util-linux')
      ? undefined
      : 'the program `script` is another one here'
  } catch {
    return 'the program `script` of util-linux is not installed here'
  }
}

interface OnTerminal {
  type(text: string): void
  shown(pattern: RegExp): Promise<string>
  ended: Promise<{ code: number | null; shown: string }>
}

/** What is typed reaches the program as from a keyboard, so that \u0003 is Ctrl-C. */
function onTerminal(...args: string[]): OnTerminal {
  const command = [...node, ...args].map((word) => `'${word}'`).join(' ')
  const child = spawn('script', ['-qec', command, '/dev/null'], { env: { ...process.env, ...env } })
  let shown = ''
  let look = () => {}
  child.stdout.on('data', (chunk) => {
    shown += chunk
    look()
  })
  const ended = new Promise<{ code: number | null; shown: string }>((resolve) => {
    child.on('close', (code) => {
      resolve({ code, shown })
      look()
    })
  })
  return {
    type: (text) => void child.stdin.write(text),
    async shown(pattern) {
      while (!pattern.test(shown)) {
        if (child.exitCode !== null) throw new Error(`ended without ${pattern}:\n${shown}`)
        await new Promise<void>((resume) => {
          look = resume
        })
      }
      return shown
    },
    ended,
  }
}

/** A table in which every batch of a prune takes as long as a blink. */
async function slowTable(rows: number): Promise<void> {
  await db.sql`drop table if exists session`
  await db.sql`create table session (sid varchar primary key, sess json not null, expire timestamp(6) not null)`
  await db.sql`create index on session (expire)`
  await db.sql`
    insert into session
    select g, '{"cookie":{}}', now() - interval '1 hour' from generate_series(1, ${rows}::int) g`
  await db.sql`
    create or replace function slow() returns trigger language plpgsql as
    'begin perform pg_sleep(0.2); return null; end'`
  await db.sql`create trigger slow before delete on session for each statement execute procedure slow()`
}

/** Whether somebody in this database waits for a lock. Others of the server are other tests. */
const isAwaited = async (sql: TransactionSql) =>
  (
    await sql`
      select from pg_locks l join pg_database d on d.oid = l.database
      where d.datname = current_database() and not l.granted`
  ).length > 0

const count = async () => Number((await db.sql`select count(*) from session`)[0]?.['count'])

test('it prints its result, and ends with its exit code', async () => {
  await db.sql`drop table if exists session`
  const created = await run('init').ended()
  assert.deepEqual([created.code, created.output], [0, 'Created the table "session".\n'])
  assert.equal((await run('purge').ended()).code, 2)
  assert.equal((await run('prune', '--table', 'other').ended()).code, 1)
})

test('Ctrl-C ends a prune after the batch under way, a second one at once, and what has begun nothing at once', async () => {
  await slowTable(60_000)
  const pruning = run('prune', '--limit', '50000', '--json')
  while ((await count()) === 60_000) await new Promise((resume) => setTimeout(resume, 20))
  pruning.child.kill('SIGINT')
  const { code, output } = await pruning.ended()
  assert.equal(code, 130)
  const [remark = '', json = ''] = output.split(/(?<=\.)\n(?=\{)/)
  assert.match(remark, /^It ends after what is under way/)
  const { deleted, remaining } = JSON.parse(json)
  assert.ok(deleted > 0 && deleted % 1000 === 0 && remaining > 0, output)
  assert.equal(await count(), remaining)

  await db.sql.begin(async (sql) => {
    await sql`lock table session in access exclusive mode`
    const waiting = run('prune')
    while (!(await isAwaited(sql))) await new Promise((resume) => setTimeout(resume, 20))
    waiting.child.kill('SIGINT')
    assert.equal((await waiting.ended()).code, 130)
  })

  await db.sql`
    create or replace function slow() returns trigger language plpgsql as
    'begin perform pg_sleep(60); return null; end'`
  const stopping = run('prune')
  const sleeps = () => db.sql`
    select from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'`
  while ((await sleeps()).length === 0) await new Promise((resume) => setTimeout(resume, 20))
  stopping.child.kill('SIGINT')
  await new Promise((resume) => setTimeout(resume, 200))
  assert.equal(stopping.child.exitCode, null)
  stopping.child.kill('SIGTERM')
  assert.equal((await stopping.ended()).code, 130)
  await db.sql`
    select pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() and wait_event = 'PgSleep'`
})

test('a signal that arrives twice at once, as through npx, counts once: what is under way is cancelled', async () => {
  // A way to the server on which there is time for the second signal before the statement is cancelled.
  let delayMs = 0
  const { hostname, port: serverPort } = new URL(db.url)
  const way = await port((socket) => {
    const upstream = connect(Number(serverPort), hostname).on('error', () => {})
    setTimeout(() => socket.pipe(upstream).pipe(socket), delayMs)
  })
  const slowly = { ...env, DATABASE_URL: db.url.replace(`:${serverPort}/`, `:${way.number}/`) }
  const waitingForLock = () => db.sql`
    select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    await slowTable(3)
    delayMs = 0
    await db.sql.begin(async (sql) => {
      // A lock on the table would be waited for before the server has the whole statement.
      await sql`select from session for update`
      const waiting = program(process.execPath, [...node.slice(1), 'logout', '--all', '--yes'], slowly)
      while ((await waitingForLock()).length === 0) await new Promise((resume) => setTimeout(resume, 20))
      delayMs = 200
      waiting.child.kill(signal)
      await waiting.printed(/Interrupted/)
      waiting.child.kill(signal)
      const { code, output } = await waiting.ended()
      assert.equal(code, 130)
      assert.match(output, /^Interrupted\. Some of the sessions may have been destroyed\.\n$/)
    })
    const left = () => db.sql`
      select from pg_stat_activity
      where datname = current_database() and application_name like 'connect-postgres-simple %'`
    while ((await left()).length > 0) await new Promise((resume) => setTimeout(resume, 20))
    assert.equal(await count(), 3)
  }
  await way.close()
})

test('a second Ctrl-C later, and another signal at any time, end the process', async () => {
  for (const [second, laterMs, code] of [
    ['SIGINT', 0, undefined],
    ['SIGINT', 600, 130],
    ['SIGTERM', 0, 130],
  ] as const) {
    const codes: unknown[] = []
    const signals = Object.assign(new EventEmitter(), { exit: (code: unknown) => codes.push(code) })
    const stop = stopOnSignals(signals as unknown as NodeJS.Process)
    assert.equal(stop.aborted, false)
    signals.emit('SIGINT')
    assert.ok(stop.aborted)
    await new Promise((resume) => setTimeout(resume, laterMs))
    signals.emit(second)
    assert.equal(codes[0], code)
  }
})

test('a database that is read-only is refused at once, as no further attempt would help', async () => {
  await slowTable(1)
  const readOnly = { ...env, DATABASE_URL: `${db.url}?options=-c%20default_transaction_read_only%3Don` }
  const refused = async (...args: string[]) => {
    const { code, output } = await program(process.execPath, [...node.slice(1), ...args], readOnly).ended()
    assert.equal(code, 1, output)
    assert.match(output, /^connect-postgres-simple: .*read-only transaction.*25006.*\n$/)
  }
  await refused('prune')
  await refused('logout', '--all', '--yes')
  await refused('logout', '--sid', '1', '--yes')
  await db.sql`drop table session`
  await refused('init')
})

test('remarks that cannot be written, and a result that cannot, end nothing in a crash', async () => {
  await slowTable(10)
  const command = node.map((word) => `'${word}'`).join(' ')
  const shell = (line: string) => program('sh', ['-c', line], env).ended()
  const closed = await shell(`${command} prune --json 2>&-`)
  assert.deepEqual([closed.code, JSON.parse(closed.output)], [0, { deleted: 10, remaining: 0 }])
  assert.equal((await shell(`${command} purge 2>/dev/full`)).code, 2)
  assert.equal((await shell(`${command} stats >/dev/full`)).code, 2)
})

test('a reader that has seen enough is no error', async () => {
  await db.sql`drop table if exists session`
  await run('init').ended()
  const line = `${node.map((word) => `'${word}'`).join(' ')} stats | head -n 1`
  const { output } = await program('sh', ['-c', line], env).ended()
  assert.equal(output, 'Sessions\n')
})

test('where nobody reads the result any more the exit code is that of the command', async () => {
  const unread = (...args: string[]) => {
    const running = run(...args)
    running.child.stdout?.destroy()
    return running
  }
  await slowTable(60_000)
  // Ctrl-C ends the whole pipe: in `prune | tee log` also the reader.
  const pruning = unread('prune', '--limit', '50000')
  while ((await count()) === 60_000) await new Promise((resume) => setTimeout(resume, 20))
  pruning.child.kill('SIGINT')
  assert.equal((await pruning.ended()).code, 130)
  await db.sql`truncate session`
  await db.sql`alter table session alter sess drop not null`
  assert.equal((await unread('doctor').ended()).code, 1)
  assert.equal((await unread('stats').ended()).code, 0)
})

test(
  'on a terminal it shows colours and a bar, and Ctrl-C from the keyboard ends it',
  async () => {
    await slowTable(60_000)
    const pruning = onTerminal('prune', '--limit', '50000')
    await pruning.shown(/1,000 deleted/)
    pruning.type('\u0003')
    const { code, shown } = await pruning.ended
    assert.equal(code, 130)
    assert.match(shown, /█*░+ +\d+ % {2}\d,000 deleted, [\d,]+ per second, [\d,]+ left/)
    assert.match(shown, /Deleted \d+,000 expired sessions, left [\d,]+\./)
    const stats = await onTerminal('stats').ended
    assert.ok(stats.shown.includes('\u001b[1mSessions\u001b[0m'))
  },
  { skip: noTerminal() },
)

test(
  'on a terminal it asks, and does what is answered',
  async () => {
    await db.sql`drop table if exists session`
    await run('init').ended()
    await db.sql`drop index "IDX_session_expire"`
    const indexes = async () => (await db.sql`select from pg_indexes where tablename = 'session'`).length
    for (const [answer, left] of [
      ['\u0003', 1],
      ['n\n', 1],
      // Ctrl-D.
      ['\u0004', 1],
      ['y\n', 2],
    ] as const) {
      const repairing = onTerminal('doctor', '--fix')
      await repairing.shown(/Run this statement\? \[y\/N\]/)
      repairing.type(answer)
      const { code } = await repairing.ended
      assert.equal(code, answer === '\u0003' ? 130 : 1, JSON.stringify(answer))
      assert.equal(await indexes(), left, JSON.stringify(answer))
    }
  },
  { skip: noTerminal(), seconds: 60 },
)

test('no connection of a process is left', () => db.drop())
