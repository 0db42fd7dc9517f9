// What the doctor finds around the table: rights of its role, the way to the server, several servers, clocks.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import postgres from 'postgres'
import { generate } from 'selfsigned'
import { freePort, startPostgres } from '../../server/postgres.js'
import { cli } from '../support/command-line.ts'
import { tableSql } from '../support/database.ts'
import { noPooler, startPooler } from '../support/pgbouncer.ts'
import { promises } from '../support/promise.ts'
import { template } from '../support/template.ts'

// For an address that is not a local one, and leads here all the same.
const ELSEWHERE = '0.0.0.0'
const { private: key, cert } = await generate([{ name: 'commonName', value: 'elsewhere' }], {
  extensions: [{ name: 'subjectAltName', altNames: [{ type: 7, ip: ELSEWHERE }] }],
})
const server = await startPostgres({
  own: true,
  inMemory: true,
  like: await template(),
  certificate: { key, cert },
})
const sql = postgres(server.url, { max: 2, onnotice() {} })
await sql.unsafe(tableSql)
const test = promises('doctor around')

async function findings(url: string, ...flags: string[]): Promise<any[]> {
  return (await cli(['doctor', '--url', url, '--json', ...flags])).json.findings
}

const codes = async (...args: [string, ...string[]]) => (await findings(...args)).map(({ code }) => code)

const as = (role: string, url = server.url) => url.replace('postgres:postgres@', `${role}:secret@`)

test('a role that may only read learns what else it needs, by its own connection', async () => {
  await sql`create role reader login password 'secret'`
  await sql`grant select on session to reader`
  const found = await findings(as('reader'))
  assert.deepEqual(
    found.map(({ code, fix }) => [code, fix]),
    [
      ['right-missing', 'grant insert on "public"."session" to "reader";'],
      ['right-missing', 'grant update on "public"."session" to "reader";'],
      ['right-missing', 'grant delete on "public"."session" to "reader";'],
      ['right-ddl', null],
    ],
  )
  for (const { fix } of found) if (fix) await sql.unsafe(fix)
  assert.deepEqual(await codes(as('reader')), ['right-ddl'])
  assert.deepEqual(await codes(as('reader'), '--admin-url', server.url), [])
})

test('a note alone is no failure', async () => {
  await sql`create role noted login password 'secret'`
  await sql`grant select, insert, update, delete on session to noted`
  const { code, out } = await cli(['doctor', '--url', as('noted')])
  assert.equal(code, 0)
  assert.match(out, /0 errors, 0 warnings, 1 note\./)
})

test('a role without a right on the schema learns that, and nothing of the table is asked', async () => {
  await sql`create schema hidden`
  await sql.unsafe(
    tableSql.replace('"session"', 'hidden.session').replace('on "session"', 'on hidden.session'),
  )
  await sql`create role stranger login password 'secret'`
  await sql`grant select, insert, update, delete on hidden.session to stranger`
  const [first] = await findings(as('stranger'), '--schema', 'hidden')
  assert.deepEqual([first.code, first.fix], ['right-schema', 'grant usage on schema "hidden" to "stranger";'])
  await sql.unsafe(first.fix)
  assert.deepEqual(await codes(as('stranger'), '--schema', 'hidden'), ['right-ddl'])
})

test('a role that cannot create the table that is missing learns that as well', async () => {
  await sql`create schema empty`
  await sql`create role creator login password 'secret'`
  await sql`grant usage on schema empty to creator`
  const found = await findings(as('creator'), '--schema', 'empty')
  assert.deepEqual(
    found.map(({ code }) => code),
    ['table-missing', 'right-create'],
  )
  await sql.unsafe(found[1].fix)
  assert.deepEqual(await codes(as('creator'), '--schema', 'empty'), ['table-missing'])
})

test('rights on each of the columns count as rights on the table', async () => {
  await sql`create role columnar login password 'secret'`
  await sql`
    grant select (sid, sess, expire), insert (sid, sess, expire), update (sid, sess, expire) on session to columnar`
  await sql`grant delete on session to columnar`
  assert.deepEqual(await codes(as('columnar')), ['right-ddl'])
  await sql`insert into session values ('columnar', '[]', now() + interval '1 day')`
  try {
    assert.deepEqual(await codes(as('columnar')), ['row-not-object', 'right-ddl'])
  } finally {
    await sql`delete from session`
  }
})

test('a question that takes too long is told, keeps no other from its answer, and is not left to the server', async () => {
  await sql`create role patient login password 'secret'`
  await sql`grant select, insert, update, delete on session to patient`
  await sql`insert into session values ('slow', '[]', now() - interval '3 hours')`
  // Only for the question that reads "sess".
  await sql`create policy slow on session
    using (case when current_query() ~ 'sess::text' then pg_sleep(60)::text = '' else true end)`
  await sql`alter table session enable row level security`
  try {
    const found = await findings(as('patient'))
    assert.deepEqual(
      found.map(({ code }) => code),
      ['row-security', 'expired-long-ago', 'right-ddl', 'unanswered'],
    )
    assert.match(found.at(-1).expected, /row-unreadable/)
    const left = await sql`select query from pg_stat_activity where usename = 'patient' and state = 'active'`
    assert.deepEqual([...left], [])
  } finally {
    await sql`alter table session disable row level security`
    await sql`drop policy slow on session`
    await sql`delete from session`
  }
})

test('it finds a way that is not encrypted, and a certificate that is not verified', async () => {
  const url = server.url.replace('127.0.0.1', ELSEWHERE)
  assert.deepEqual(await codes(url), ['tls-off'])
  assert.deepEqual(await codes(`${url}?sslmode=no-verify`), ['tls-unverified'])
  const folder = mkdtempSync(join(tmpdir(), 'connect-postgres-simple-'))
  writeFileSync(`${folder}/ca.pem`, cert)
  assert.deepEqual(await codes(`${url}?sslmode=verify-full&sslrootcert=${folder}/ca.pem`), [])
  rmSync(folder, { recursive: true })
})

test('a name of more than 63 bytes means what it means to PostgreSQL', async () => {
  const name = `${'ä'.repeat(40)} and more`
  await sql.unsafe(tableSql.replaceAll('"session"', `"${name}"`).replace('IDX_session_expire', 'IDX_long'))
  assert.deepEqual(await codes(server.url, '--table', name), [])
  await sql.unsafe(`drop table "${name}"`)
  assert.deepEqual(await codes(server.url, '--table', name), ['table-missing'])
})

test('it finds a clock that is not the server’s', async () => {
  const { now } = Date
  Date.now = () => now() + 90_000
  try {
    const [found] = await findings(server.url)
    assert.equal(found.code, 'clock-skew')
    assert.match(found.found, /the server is (89|90)\.\d seconds behind/)
  } finally {
    Date.now = now
  }
  assert.deepEqual(await codes(server.url), [])
})

test('it finds more processes than the server lets connect, and connections that are nearly used up', async () => {
  const [needed] = await findings(server.url, '--processes', '30', '--max', '4')
  assert.equal(needed.code, 'connections-needed')
  assert.match(needed.found, /^97 are allowed, by the limit of the server/)
  assert.equal(needed.fix, 'alter system set max_connections = 140;')
  assert.deepEqual(await codes(server.url, '--processes', '20', '--max', '4'), [])
  await sql`create role narrow login password 'secret' connection limit 40`
  await sql`grant select, insert, update, delete on session to narrow`
  const [narrow] = await findings(as('narrow'), '--processes', '20')
  assert.equal(narrow.fix, 'alter role "narrow" connection limit 100;')
  await sql.unsafe(narrow.fix)
  assert.deepEqual(await codes(as('narrow'), '--processes', '20'), ['right-ddl'])
})

test('it finds a TimeZone of this connection that differs from that of the server’s files', async () => {
  await sql`alter system set timezone = 'Asia/Kolkata'`
  await sql`select pg_reload_conf()`
  try {
    const url = `${server.url}?options=-c%20timezone%3DEurope/Berlin`
    const [found] = await findings(url)
    assert.equal(found.code, 'time-zones')
    assert.match(found.found, /^Asia\/Kolkata for roles that do not set it/)
    await sql.unsafe(found.fix)
    assert.deepEqual(await codes(url), [])
    await sql`alter database postgres set timezone = 'Asia/Kolkata'`
    assert.deepEqual(await codes(url), ['time-zones'])
  } finally {
    await sql`alter system reset timezone`
    await sql`alter database postgres reset timezone`
    await sql`select pg_reload_conf()`
  }
})

test('a zone of another name that is never apart counts as the same', async () => {
  await sql`create role utc`
  await sql`grant select on session to utc`
  await sql`alter role utc set timezone = 'Etc/UTC'`
  await sql`alter role utc in database postgres set timezone = 'UTC'`
  await sql`alter database postgres set timezone = 'UTC'`
  try {
    assert.deepEqual(await codes(server.url), [])
    await sql`alter role utc in database postgres set timezone = '-3'`
    assert.deepEqual(await codes(server.url), ['time-zones'])
  } finally {
    await sql`alter database postgres reset timezone`
    await sql`drop owned by utc`
    await sql`drop role utc`
  }
})

test('a TimeZone that a closer setting overrides is none that anybody has', async () => {
  await sql`create role travelled`
  await sql`grant select on session to travelled`
  const [row] = await sql`show timezone`
  const mine = String(row?.['TimeZone'])
  try {
    await sql.unsafe(`alter database postgres set timezone = '${mine}'`)
    await sql`alter role all set timezone = 'Asia/Kolkata'`
    await sql`alter role travelled set timezone = 'Asia/Kolkata'`
    const found = await findings(server.url)
    assert.deepEqual(
      found.map(({ found }) => found),
      ['Asia/Kolkata for role "travelled"'],
    )
    await sql.unsafe(`alter role travelled in database postgres set timezone = '${mine}'`)
    assert.deepEqual(await codes(server.url), [])
  } finally {
    await sql`alter role all reset timezone`
    await sql`alter database postgres reset timezone`
    await sql`drop owned by travelled`
    await sql`drop role travelled`
  }
})

test('connections are counted where their limit is: those of others do not use up a role’s own', async () => {
  await sql`create role few login password 'secret' connection limit 5`
  await sql`grant select, insert, update, delete on session to few`
  const others = postgres(server.url, { max: 8 })
  try {
    await Promise.all(Array.from({ length: 8 }, () => others`select pg_sleep(0.2)`))
    assert.deepEqual(await codes(as('few')), ['right-ddl'])
    await sql`alter role few connection limit 1`
    const [used] = await findings(as('few'))
    assert.deepEqual([used.code, used.found], ['connections-used', '1 of 1 in use, by the limit of the role'])
  } finally {
    await others.end()
  }
})

test('a setting that the connection itself asks for is found, and no statement can repair it', async () => {
  const [found] = await findings(`${server.url}?options=-c%20statement_timeout%3D5s`)
  assert.deepEqual([found.code, found.fix], ['statement-timeout', null])
  assert.equal(found.found, '5000ms, asked for by the connection')
})

test('it finds a server that is older than it should be', async () => {
  // No old server is at hand, so on the way to this one the question is made to ask for one to come.
  const later = await rewriting(server.url, '< 140000', '< 990000')
  try {
    const [found] = await findings(later.url)
    assert.deepEqual([found.code, found.severity], ['server-version', 'note'])
    assert.match(found.found, /^18/)
  } finally {
    later.close()
  }
})

test('it tells a pooler by a process that is shared, or older than the connection, without one at hand', async () => {
  for (const [from, to, mode] of [
    ['a.pid::text', `'1'::text  `, /in transaction mode/],
    ['a.backend_start', `'2020-01-01'   `, /in session mode/],
  ] as const) {
    const pooled = await rewriting(server.url, from, to)
    try {
      const [found] = await findings(pooled.url)
      assert.deepEqual([found.code, found.severity], ['pooler', 'note'])
      assert.match(found.found, mode)
    } finally {
      pooled.close()
    }
  }
})

test(
  'it tells a pooler in transaction mode, and one in session mode',
  async () => {
    for (const mode of ['transaction', 'session'] as const) {
      const pooler = await startPooler(server.url, 3, { key, cert }, mode)
      const url = `${pooler.url}?sslmode=no-verify`
      try {
        await codes(url)
        // So that its connections to the server are older than those to it.
        await new Promise((resume) => setTimeout(resume, 2500))
        const found = await findings(url)
        assert.deepEqual(
          found.map(({ code }) => code),
          ['pooler'],
        )
        assert.match(found[0].found, mode === 'session' ? /in session mode/ : /in transaction mode/)
      } finally {
        await pooler.stop()
      }
    }
    assert.deepEqual(await codes(server.url), [])
  },
  { skip: noPooler() },
)

test('it knows a standby, and finds nothing once that was promoted', async () => {
  await sql.end()
  await server.down('SIGINT')
  const standby = await startPostgres({
    own: true,
    inMemory: true,
    follow: server,
    certificate: { key, cert },
  })
  try {
    await server.up()
    const { code, json } = await cli(['doctor', '--url', standby.url, '--json'])
    assert.deepEqual([code, json.findings.length, json.findings[0].code], [1, 1, 'standby'])

    const both = server.url.replace(/\/postgres$/, `,127.0.0.1:${new URL(standby.url).port}$&`)
    assert.deepEqual(await codes(both), [])
    const three = server.url.replace(/\/postgres$/, `,127.0.0.1:${await freePort()}$&`)
    const [unreachable] = await findings(three)
    assert.deepEqual([unreachable.code, unreachable.severity], ['several-hosts', 'warning'])
    assert.match(unreachable.found, /cannot be reached \(ECONNREFUSED\)/)
    const twice = server.url.replace(/\/postgres$/, `,localhost:${new URL(server.url).port}$&`)
    assert.deepEqual(await codes(twice), [])

    const other = postgres(standby.url, { max: 1 })
    await other`select pg_promote()`
    await other.end()
    assert.deepEqual(await codes(standby.url), [])
    const [split] = await findings(both)
    assert.deepEqual([split.code, split.severity], ['several-hosts', 'error'])
  } finally {
    await standby.stop()
  }
})

test('no server of these tests is left', () => server.stop())

/** Something on the way that changes what is sent to the server. */
async function rewriting(
  url: string,
  from: string,
  to: string,
): Promise<{ readonly url: string; close(): void }> {
  const { port, hostname } = new URL(url)
  const between: Server = createServer((client) => {
    const upstream = connect(Number(port), hostname)
    upstream.pipe(client)
    client.on('data', (data) => {
      upstream.write(Buffer.from(data.toString('latin1').replace(from, to), 'latin1'))
    })
    for (const socket of [client, upstream])
      socket.on('error', () => {}).on('close', () => void [client.destroy(), upstream.destroy()])
  })
  const own = await freePort()
  await new Promise<void>((resolve) => between.listen(own, '127.0.0.1', resolve))
  return { url: url.replace(`:${port}/`, `:${own}/`), close: () => between.close() }
}
