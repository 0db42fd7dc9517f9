// The way to the server: deadlines, retries, and connections that are lost, refused or borrowed.

import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import postgres from 'postgres'
import { database, tableSql } from '../support/database.ts'
import { failure } from '../support/failure.ts'
import { port } from '../support/port.ts'
import { promises } from '../support/promise.ts'
import { backends, putRow, row, Store, sessionOf, withStore } from '../support/store.ts'

const db = await database('connection')
await db.sql.unsafe(tableSql)
const test = promises('connection')
const at = { conString: db.url }

const through = (number: number) => {
  const url = new URL(db.url)
  url.port = String(number)
  return url.href
}

test('a connection that the server ended is not noticed by the next operation', () =>
  withStore(at, async (store) => {
    await putRow(db.sql, 'ended', { n: 1 })
    for (let round = 0; round < 10; round++) {
      assert.ok(await store.get('ended'))
      await db.sql`select pg_terminate_backend(pid) from unnest(${await backends(db.sql)}::int[]) pid`
    }
    assert.ok(await store.get('ended'))
  }))

test('a write that waits for a locked row fails by the timeout, and does not land after a later one', () =>
  withStore({ ...at, timeout: 1 }, async (store) => {
    const writes = {
      set: () => store.set('locked', sessionOf({ n: 'late' })),
      update: async () =>
        store.set('locked', Object.assign((await store.get('locked')) as any, { n: 'late' })),
      touch: () => store.touch('locked', sessionOf({}, 9000)),
      destroy: () => store.destroy('locked'),
      clear: () => store.clear(),
    }
    for (const [name, write] of Object.entries(writes)) {
      await store.set('locked', sessionOf({ n: 0 }))
      await db.sql.begin(async (sql) => {
        await sql`select from session where sid = 'locked' for update`
        const started = Date.now()
        assert.equal((await failure(write())).code, 'STORE_TIMEOUT', name)
        assert.ok(Date.now() - started >= 950)
        assert.equal(((await store.get('locked')) as any).n, 0, 'who only reads does not wait')
      })
      await store.set('locked', sessionOf({ n: 'last' }))
      await new Promise((resume) => setTimeout(resume, 50))
      const stored = await row(db.sql, 'locked')
      assert.equal(stored?.n, 'last', name)
      assert.ok(stored.inSeconds < 1000, name)
    }
  }))

test('a locked row does not keep those that share its batch', () =>
  withStore({ ...at, timeout: 5, max: 2 }, async (store) => {
    await putRow(db.sql, 'busy-20', { n: 0 })
    let stuck: Promise<void> | undefined
    await db.sql.begin(async (sql) => {
      await sql`select from session where sid = 'busy-20' for update`
      const all = Array.from({ length: 40 }, (_, n) => store.set(`busy-${n}`, sessionOf({ n })))
      stuck = all.splice(20, 1)[0]
      await Promise.all(all)
      assert.equal((await row(db.sql, 'busy-20')).n, 0, 'it is still locked')
    })
    await stuck
    assert.equal((await row(db.sql, 'busy-20')).n, 20)
  }))

test('nobody answers: the operation ends by the timeout, and close does', async () => {
  const hole = await port(() => {})
  const store = new Store({ conString: through(hole.number), timeout: 0.5, pruneSessionInterval: false })
  const errors = await Promise.all([
    failure(store.get('a')),
    failure(store.destroy('b')),
    failure(store.length()),
  ])
  assert.deepEqual(
    errors.map(({ code }) => code),
    Array(3).fill('STORE_TIMEOUT'),
  )
  await store.close()
  await hole.close()
})

test(
  'while 50,000 operations wait for a server that is away, more are refused with STORE_BUSY',
  async () => {
    const hole = await port(() => {})
    await withStore({ conString: through(hole.number), timeout: 1.5 }, async (store) => {
      const waiting = Array.from({ length: 50_000 }, (_, i) => store.get(`w-${i}`).catch(({ code }) => code))
      assert.equal((await failure(store.get('one more'))).code, 'STORE_BUSY')
      assert.equal((await failure(store.set('one more', sessionOf()))).code, 'STORE_BUSY')
      assert.deepEqual([...new Set(await Promise.all(waiting))], ['STORE_TIMEOUT'])
      assert.equal((await failure(store.get('later'))).code, 'STORE_TIMEOUT')
    })
    await hole.close()
  },
  { seconds: 60 },
)

test('a connection that was given up is reset, so that what it still holds never arrives', async () => {
  let ends: string[] = []
  let heard = 0
  const hole = await port((socket) => {
    socket.on('error', (error) => ends.push((error as NodeJS.ErrnoException).code ?? ''))
    socket.on('end', () => ends.push('end'))
    socket.on('data', () => heard++)
  })
  // Where the machine stands still, the time is over before anything is sent: then nothing is held.
  while (heard === 0) {
    ends = []
    await withStore({ conString: through(hole.number), timeout: 0.5 }, async (store) => {
      assert.equal((await failure(store.get('a'))).code, 'STORE_TIMEOUT')
      while (ends.length === 0) await new Promise((resume) => setTimeout(resume, 10))
    })
  }
  assert.deepEqual(ends, ['ECONNRESET'])
  await hole.close()
})

test('what the server says is understood also if it comes byte by byte', async () => {
  const url = new URL(db.url)
  const slow = await port((socket) => {
    const upstream = connect(Number(url.port), url.hostname)
    socket.setNoDelay().on('data', (data) => upstream.write(data))
    socket.on('close', () => upstream.destroy())
    upstream.on('data', async (data) => {
      upstream.pause()
      for (const byte of data) {
        socket.write(Buffer.from([byte]))
        await new Promise((resume) => setImmediate(resume))
      }
      upstream.resume()
    })
  })
  await withStore({ conString: through(slow.number) }, async (store) => {
    await store.set('bytes', sessionOf({ n: 1 }))
    assert.equal(((await store.get('bytes')) as any).n, 1)
  })
  await slow.close()
})

test('a port where something else than PostgreSQL answers is an error that says so', async () => {
  const web = await port((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'))
  await withStore({ conString: through(web.number), timeout: 0.5 }, async (store) => {
    const error = await failure(store.get('a'))
    assert.equal(error.code, 'STORE_TIMEOUT')
    assert.match(error.message, /STORE_PROTOCOL/)
  })
  await web.close()
})

test('a port that takes connections and closes them is asked a few times, not hundreds of times a second', async () => {
  let asked = 0
  const shut = await port((socket) => {
    asked++
    socket.destroy()
  })
  await withStore({ conString: through(shut.number), timeout: 1 }, async (store) => {
    const error = await failure(store.get('a'))
    assert.equal(error.code, 'STORE_TIMEOUT')
    assert.match(error.message, /CONNECTION_CLOSED|ECONNRESET/)
  })
  assert.ok(asked >= 3 && asked <= 15, `asked ${asked} times`)
  await shut.close()
})

test('a server that has become a standby is left for the one that its address leads to now', async () => {
  // As after a failover: the old connection stays open and refuses to write, a new one does not.
  const [{ database: name }] = (await db.sql`select current_database() as database`) as any
  await withStore({ conString: db.url, max: 2 }, async (store) => {
    await store.set('standby', sessionOf({ n: 1 }))
    await db.sql.unsafe(`alter database "${name}" set default_transaction_read_only = on`)
    try {
      for (const pid of await backends(db.sql)) await db.sql`select pg_terminate_backend(${pid}::int)`
      const saved = store.set('standby', sessionOf({ n: 2 }))
      setTimeout(async () => {
        await db.sql.begin(async (sql) => {
          await sql`set transaction read write`
          await sql.unsafe(`alter database "${name}" set default_transaction_read_only = off`)
        })
      }, 300)
      await saved
    } finally {
      await db.sql.begin(async (sql) => {
        await sql`set transaction read write`
        await sql.unsafe(`alter database "${name}" reset default_transaction_read_only`)
      })
    }
    assert.equal((await row(db.sql, 'standby')).n, 2)
  })
})

test('a server that comes up within the timeout is waited for', async () => {
  let up = false
  const gate = await port((socket) => {
    if (!up) return void socket.destroy()
    const { hostname, port: number } = new URL(db.url)
    socket.pipe(connect(Number(number), hostname).on('error', () => {})).pipe(socket)
  })
  await withStore({ conString: through(gate.number), createTableIfMissing: true }, async (store) => {
    const early = store.set('early', sessionOf({ n: 1 }))
    setTimeout(() => {
      up = true
    }, 300)
    await early
    assert.equal((await row(db.sql, 'early')).n, 1)
  })
  await gate.close()
})

const { port: serverPort } = new URL(db.url)
const [{ unix_socket_directories: socketFolders }] = (await db.sql`show unix_socket_directories`) as any
const socketFolder = socketFolders.split(',')[0].trim()
const noSocket = existsSync(join(socketFolder, `.s.PGSQL.${serverPort}`))
  ? undefined
  : `the server has no socket that can be reached at ${socketFolder}`

test(
  'a Unix socket is a host that is a directory',
  async () => {
    const { username, password, pathname } = new URL(db.url)
    const conObject = {
      host: socketFolder,
      port: serverPort,
      user: username,
      password,
      database: pathname.slice(1),
    }
    await withStore({ conObject }, async (store) => {
      await store.set('unix', sessionOf({ n: 1 }))
      assert.equal((await row(db.sql, 'unix')).n, 1)
      const local = await db.sql`
        select bool_and(client_addr is null) as so from pg_stat_activity where pid = any(${await backends(db.sql)})`
      assert.equal(local[0]?.['so'], true)
    })
  },
  { skip: noSocket },
)

test('no socket file is not "no such session": express-session would take ENOENT for that', () =>
  withStore({ conString: '/nowhere/at/all shop', timeout: 2 }, async (store) => {
    const error = await failure(store.get('a'))
    assert.equal(error.code, 'STORE_TIMEOUT')
    assert.match(error.message, /ECONNREFUSED/)
  }))

test('of several hosts the one that answers is found, after one that refuses and one that stays silent', async () => {
  const url = new URL(db.url)
  const silent = await port(() => {})
  const hosts = `127.0.0.1:1,127.0.0.1:${silent.number},${url.host}`
  const here = `postgres://${url.username}:${url.password}@${hosts}${url.pathname}`
  await withStore({ conString: here, timeout: 3 }, async (store) => {
    await store.set('hosts', sessionOf({ n: 1 }))
    assert.equal(((await store.get('hosts')) as any).n, 1)
  })
  await silent.close()
})

test('the sockets of an instance’s `socket` option are used, also when the first cannot be had', async () => {
  const url = new URL(db.url)
  let asked = 0
  const socket = async () => {
    if (++asked === 1) throw Object.assign(new Error('not yet'), { code: 'ECONNREFUSED', syscall: 'connect' })
    return connect(Number(url.port), url.hostname)
  }
  const sql = postgres(db.url, { socket } as object)
  await withStore({ postgres: sql }, async (store) => {
    await store.set('socket', sessionOf({ n: 1 }))
    assert.ok(asked >= 2)
  })
  await sql.end()
})

test('an idle connection is closed after a while, and one that has lived long enough is replaced', async () => {
  const instance = (options: object) =>
    postgres(db.url, { connection: { application_name: 'aging' }, ...options })
  const mine = () => db.sql`select pid from pg_stat_activity where application_name = 'aging'`
  const idle = instance({ idle_timeout: 1 })
  await withStore({ postgres: idle }, async (store) => {
    await store.length()
    assert.equal((await mine()).length, 1)
    while ((await mine()).length > 0) await new Promise((resume) => setTimeout(resume, 50))
    await store.length()
  })
  const short = instance({ max_lifetime: 0.1 })
  await withStore({ postgres: short }, async (store) => {
    await store.length()
    const [before] = await mine()
    await new Promise((resume) => setTimeout(resume, 200))
    await store.length()
    const [after] = await mine()
    assert.notEqual(before?.['pid'], after?.['pid'])
  })
  await Promise.all([idle.end(), short.end()])
})

test('no more connections are opened than `max`', () => {
  const conObject = { connectionString: db.url, application_name: 'at most two' }
  return withStore({ conObject, max: 2 }, async (store) => {
    await Promise.all(
      Array.from({ length: 50 }, async (_, i) => {
        await store.set(`max-${i}`, sessionOf())
        await Promise.all([store.get(`max-${i}`), store.length(), store.touch(`max-${i}`, sessionOf())])
      }),
    )
    const open = await db.sql`select from pg_stat_activity where application_name = 'at most two'`
    assert.equal(open.length, 2)
  })
})

test('a shared instance that its app has ended is an error at once', async () => {
  const sql = postgres(db.url)
  await sql.end()
  await withStore({ postgres: sql, isolate: false }, async (store) => {
    assert.equal((await failure(store.get('a'))).code, 'CONNECTION_ENDED')
  })
  await withStore({ postgres: sql }, (store) => store.length())
})

test('one of many connections gives rows that were not asked for: all are replaced, and the store goes on', async () => {
  const hijack = { armed: false, connections: 0 }
  const gate = await port((socket) => {
    hijack.connections++
    const { hostname, port: number } = new URL(db.url)
    const server = connect(Number(number), hostname).on('error', () => {})
    socket.pipe(server)
    server.on('data', (data) => {
      // Another sid of the same length, in the row that comes back.
      const changed = hijack.armed
        ? Buffer.from(data.toString('latin1').replace('asked', 'other'), 'latin1')
        : data
      socket.write(changed)
    })
    server.on('close', () => socket.destroy())
    // Reset, so that no pipe would end it.
    socket.on('close', () => server.destroy())
  })
  await withStore({ conString: through(gate.number), max: 2 }, async (store) => {
    await store.set('asked', sessionOf({ n: 1 }))
    assert.ok(await store.get('asked'))
    hijack.armed = true
    const before = hijack.connections
    assert.equal((await failure(store.get('asked'))).code, 'STORE_MISMATCH')
    hijack.armed = false
    assert.equal(((await store.get('asked')) as any).n, 1)
    assert.equal(hijack.connections, before + 1, 'over a new connection')
  })
  await gate.close()
})

test('no connection is left behind', () => db.drop())
