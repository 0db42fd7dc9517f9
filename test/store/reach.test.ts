// The way to the server, when it is not as the app expects it: what errors and the log say of it, how soon
// and how often.

import assert from 'node:assert/strict'
import { connect, type Socket } from 'node:net'
import { Duplex } from 'node:stream'
import postgres from 'postgres'
import { monotonicMs } from '../../src/clock.ts'
import { Pool } from '../../src/connection/pool.ts'
import { noPassword, serverInWords } from '../../src/errors.ts'
import { parseOptions } from '../../src/settings/settings.ts'
import { prunes } from '../../src/tracing/channels.ts'
import { Counters } from '../../src/tracing/counters.ts'
import { proxy } from '../faults/proxy.ts'
import { database, tableSql } from '../support/database.ts'
import { failure } from '../support/failure.ts'
import { port } from '../support/port.ts'
import { promises } from '../support/promise.ts'
import { sessionOf, withStore } from '../support/store.ts'

const db = await database('reach')
await db.sql.unsafe(tableSql)
const test = promises('reach')
const url = new URL(db.url)
const name = url.pathname.slice(1)
const seconds = (count: number) => new Promise((resume) => setTimeout(resume, count * 1000))
const quiet = { errorLog() {} }

const through = (number: number | string, query = '') => {
  const other = new URL(db.url)
  other.port = String(number)
  other.search = query
  return other.href
}
/** Leads on to the server, for as long as the connection is there. */
const relay = (socket: Socket) => {
  const server = connect(Number(url.port), url.hostname).on('error', () => {})
  socket.pipe(server).pipe(socket)
  socket.on('close', () => server.destroy())
}
const names = (error: Error, number: number) => {
  const place = `(host ${url.hostname}, port ${number}, database ${name})`
  assert.ok(error.message.includes(place), error.message)
  assert.ok(!error.message.includes(`${url.username}:`), error.message)
}
/** Answers what it is asked first, and nothing after. */
const answering = (answer: string) => port((socket) => void socket.once('data', () => socket.write(answer)))

test('a server without TLS is an error at once, where TLS is asked for, that says so', async () => {
  const plain = await answering('N')
  await withStore({ conString: through(plain.number, '?sslmode=require'), ...quiet }, async (store) => {
    const started = performance.now()
    const errors = await Promise.all([
      failure(store.get('a')),
      failure(store.length()),
      failure(store.destroy('b')),
    ])
    assert.ok(performance.now() - started < 1000)
    for (const error of errors) {
      assert.equal(error.code, 'STORE_TLS')
      assert.match(error.message, /does not offer TLS/)
      names(error, plain.number)
    }
  })
  await plain.close()
})

test('a server without TLS is spoken to in the clear where an instance only prefers TLS', async () => {
  const sql = postgres(db.url, { ssl: 'prefer' })
  await withStore({ postgres: sql }, async (store) => {
    await store.set('prefers', sessionOf())
    assert.ok(await store.get('prefers'))
  })
  await sql.end()
})

test('what is neither yes nor no to TLS, or comes behind it in the clear, is not taken for an answer', async () => {
  for (const answer of ['HTTP/1.1 400', 'SE', 'NE', 'E']) {
    const other = await answering(answer)
    const options = { conString: through(other.number, '?sslmode=no-verify'), timeout: 0.8, ...quiet }
    await withStore(options, async (store) => {
      const error = await failure(store.get('a'))
      assert.equal(error.code, 'STORE_TIMEOUT', answer)
      assert.match(error.message, /STORE_PROTOCOL/)
      names(error, other.number)
    })
    await other.close()
  }
})

test('every error of the way to the server names host, port and database, and no user or password', async () => {
  const hole = await port(() => {})
  const shut = await port((socket) => socket.destroy())
  for (const number of [hole.number, shut.number, 1]) {
    for (const query of ['', '?sslmode=no-verify']) {
      await withStore({ conString: through(number, query), timeout: 0.8, ...quiet }, async (store) => {
        const all = [
          store.get('a'),
          store.get('a'),
          store.set('b', sessionOf()),
          store.length(),
          store.clear(),
        ]
        for (const error of await Promise.all(all.map(failure))) {
          assert.equal(error.code, 'STORE_TIMEOUT')
          names(error, number)
        }
      })
    }
  }
  await Promise.all([hole.close(), shut.close()])
  const nowhere = new URL(db.url)
  nowhere.pathname = '/nowhere'
  await withStore({ conString: nowhere.href, ...quiet }, async (store) => {
    const error = await failure(store.get('a'))
    assert.equal(error.code, '3D000')
    assert.match(error.message, /\(host .*, port .*, database nowhere\)/)
  })
  const sql = postgres(through(1), { backoff: () => 0.01 })
  await withStore({ postgres: sql, isolate: false, timeout: 0.8, ...quiet }, async (store) => {
    names(await failure(store.get('a')), 1)
  })
  await sql.end()
  await withStore({ conString: `/nowhere/at/all ${name}`, timeout: 0.8, ...quiet }, async (store) => {
    const { message } = await failure(store.get('a'))
    assert.ok(message.includes(`(socket /nowhere/at/all/.s.PGSQL.5432, database ${name})`), message)
  })
})

test('what a bad URL makes of a password is not taken for a place', () => {
  const shown = serverInWords({ host: 'hush@here', port: 1, database: 'hu\nsh@shop' })
  assert.equal(shown, ' (host here, port 1, database shop)')
  assert.equal(serverInWords(undefined), '')
})

test('an error of the statement itself does not speak of the way', () =>
  withStore({ conString: db.url, tableName: 'absent', ...quiet }, async (store) => {
    const error = await failure(store.get('a'))
    assert.equal(error.code, '42P01')
    assert.doesNotMatch(error.message, /port/)
  }))

for (const query of ['', '?sslmode=no-verify']) {
  const how = query ? 'with TLS' : 'in the clear'
  test(`the log hears once that the server cannot be reached, and once that it can again, ${how}`, async () => {
    let up = false
    const gate = await port((socket) => {
      if (!up) return void socket.destroy()
      if (!query) return void relay(socket)
      socket.destroy()
    })
    const logged: [string, any][] = []
    const options = {
      conString: through(gate.number, query),
      // A slow machine takes its time to log in, which must not look like another server that is away.
      timeout: 2,
      pruneSessionInterval: 0.05,
      pruneSessionRandomizedInterval: false as const,
      errorLog: (...values: [string, any]) => void logged.push(values),
    }
    await withStore(options, async (store) => {
      const work = () =>
        Promise.all(Array.from({ length: 20 }, (_, i) => store.get(`g-${i}`).catch(({ code }) => code)))
      for (let round = 0; round < 3; round++) assert.deepEqual([...new Set(await work())], ['STORE_TIMEOUT'])
      assert.deepEqual(
        logged.map(([message]) => message),
        ['PostgreSQL cannot be reached'],
      )
      names(logged[0]?.[1], gate.number)
      if (!query) {
        up = true
        while (logged.length < 2) await work()
        await work()
        assert.equal(logged.length, 2)
        assert.match(logged[1]?.[0] as string, /^PostgreSQL can be reached again/)
        names(new Error(logged[1]?.[0]), gate.number)
        assert.equal(logged[1]?.[1], undefined)
      }
    })
    await gate.close()
  })
}

test('a prune that fails for an outage is not reported either when it fails a moment after the outage', async () => {
  const logged: string[] = []
  let isShut = true
  let swallowed: Socket | undefined
  const gate = await port((socket) => {
    if (isShut) return void socket.destroy()
    // The prune's next connection is accepted, and hears nothing.
    if (swallowed) relay(socket)
    else swallowed = socket
  })
  const options = {
    conString: through(gate.number),
    disableTouch: true,
    max: 2,
    timeout: 6,
    pruneSessionInterval: 0.01,
    pruneSessionRandomizedInterval: false as const,
    errorLog: (message: string) => void logged.push(message.replace(/ \(.*/, '')),
  }
  let failures = 0
  const onPruned = (message: unknown) => {
    if ((message as { error?: unknown }).error) failures++
  }
  prunes.asyncEnd.subscribe(onPruned)
  try {
    await withStore(options, async (store) => {
      // Starts the timer, and asks the server nothing.
      await store.touch('a', sessionOf())
      while (logged.length === 0) await seconds(0.01)
      isShut = false
      while (!swallowed) await seconds(0.01)
      assert.equal(await store.get('a'), null)
      assert.equal(failures, 0)
      while (failures === 0) await seconds(0.01)
    })
  } finally {
    prunes.asyncEnd.unsubscribe(onPruned)
    await gate.close()
  }
  assert.deepEqual(logged, ['PostgreSQL cannot be reached', 'PostgreSQL can be reached again'])
})

test('what is late longer after an outage than it may take is not put down to the outage', async () => {
  let isShut = true
  const gate = await port((socket) => {
    if (isShut) socket.destroy()
    else relay(socket)
  })
  const told: [message: string, late: boolean, refused: boolean][] = []
  const isOfOutage = () => pool.isOfOutage('STORE_TIMEOUT')
  const errorLog = (message: string) =>
    void told.push([message.replace(/ \(.*/, ''), isOfOutage(), pool.isOfOutage('42501')])
  const settings = parseOptions({ conString: through(gate.number), max: 1, timeout: 0.2, errorLog })
  const pool = new Pool(settings, new Counters())
  const asked = pool.query({
    verb: 'ask',
    text: `select 'a'`,
    parameters: () => [],
    until: monotonicMs() + 60_000,
  })
  while (told.length === 0) await seconds(0.01)
  isShut = false
  await asked
  while (isOfOutage()) await seconds(0.01)
  await pool.close()
  await gate.close()
  assert.deepEqual(told, [
    ['PostgreSQL cannot be reached', true, true],
    ['PostgreSQL can be reached again', true, false],
  ])
})

test('a connection that is lost and replaced is not worth a word, nor one of several hosts', async () => {
  const between = await proxy(db.url)
  const logged: string[] = []
  const hosts = new URL(between.url)
  const conString = db.url.replace(url.host, `127.0.0.1:1,${hosts.host}`)
  await withStore({ conString, errorLog: (message) => void logged.push(message) }, async (store) => {
    await store.set('lost', sessionOf())
    for (let round = 0; round < 5; round++) {
      between.hangUp()
      assert.ok(await store.get('lost'))
    }
  })
  await between.close()
  assert.deepEqual(logged, [])
})

test('without an `errorLog` the console hears of it, in words alone where there is no error', async () => {
  const { error } = console
  const heard: unknown[][] = []
  let up = false
  console.error = (...values) => {
    heard.push(values)
    up = true
  }
  const gate = await port((socket) => {
    if (up) relay(socket)
    else socket.destroy()
  })
  try {
    await withStore({ conString: through(gate.number) }, (store) => store.get('a').then(() => {}))
  } finally {
    console.error = error
    await gate.close()
  }
  assert.deepEqual(
    heard.map((each) => each.length),
    [2, 1],
  )
})

/** Asks for a password in the clear, and says nothing more. */
const asking = () =>
  port((socket) => {
    socket.once('data', () => socket.write(Buffer.from([0x52, 0, 0, 0, 8, 0, 0, 0, 3])))
  })

test('why a password function failed is told by name and code, never by its message', async () => {
  const gate = await asking()
  const password = () => {
    const reason = Object.assign(new Error('hush'), { name: 'TokenProviderError', code: 'ECREDS' })
    return Promise.reject(reason)
  }
  const conObject = { host: url.hostname, port: gate.number, user: 'u', database: name, password }
  await withStore({ conObject, timeout: 0.8, ...quiet }, async (store) => {
    const error = await failure(store.get('a'))
    assert.match(error.message, /STORE_PASSWORD: The function .* failed: TokenProviderError ECREDS/)
    assert.doesNotMatch(error.message, /hush/)
    names(error, gate.number)
  })
  await gate.close()
  for (const reason of [undefined, 'hush', { name: 'hush hush', code: { hush: 1 } }])
    assert.equal(noPassword(reason).message, 'The function that gives the password failed')
})

test('a password that comes when its connection is gone is not sent into the void', async () => {
  const gate = await asking()
  let asked = 0
  const password = async () => {
    asked++
    await seconds(1.5)
    return 'late'
  }
  const conObject = { host: url.hostname, port: gate.number, user: 'u', database: name, password }
  await withStore({ conObject, timeout: 1, ...quiet }, async (store) => {
    assert.equal((await failure(store.get('a'))).code, 'STORE_TIMEOUT')
    // It would be an uncaught exception.
    await seconds(1)
  })
  assert.equal(asked, 1)
  await gate.close()
})

test('an address to which no connection can even be begun is an error of the operation', async () => {
  // Refused before anything is sent: the error comes before anybody could listen.
  const conObject = { host: '255.255.255.255', port: 1, user: 'u', database: name }
  for (const ssl of [false, true]) {
    await withStore({ conObject: { ...conObject, ssl }, timeout: 0.8, ...quiet }, async (store) => {
      assert.match((await failure(store.get('a'))).message, /host 255.255.255.255/)
    })
  }
})

test('a server that is silent at the start is left for the next attempt after the time to connect', async () => {
  let silent = 0
  const gate = await port((socket) => {
    if (++silent > 1) relay(socket)
  })
  const conObject = {
    ...{ host: url.hostname, port: gate.number, user: url.username, database: name },
    ...{ password: decodeURIComponent(url.password), connectionTimeoutMillis: 200 },
  }
  await withStore({ conObject, ...quiet }, async (store) => {
    await store.set('patience', sessionOf())
    assert.equal(silent, 2)
  })
  await gate.close()
})

test('the `socket` of an instance can be any stream, and may throw anything', async () => {
  let asked = 0
  const socket = async () => {
    if (++asked === 1) throw undefined
    const tcp: Socket = connect(Number(url.port), url.hostname)
    const stream = new Duplex({
      read() {},
      write: (data, _encoding, done) => void tcp.write(data, done),
      final: (done) => void tcp.end(done),
    })
    tcp.on('data', (data) => stream.push(data)).on('end', () => stream.push(null))
    return stream
  }
  const sql = postgres(db.url, { socket } as object)
  await withStore({ postgres: sql, ...quiet }, async (store) => {
    await failure(store.get('a'))
    await store.set('stream', sessionOf())
    assert.ok(await store.get('stream'))
  })
  await sql.end()
})

test('a `socket` that comes when the time to connect is over is hung up, and not spoken to', async () => {
  const socket = connect(Number(url.port), url.hostname)
  const hungUp = new Promise<void>((resolve) => socket.once('close', () => resolve()))
  let give = (_socket: Socket) => {}
  const late = new Promise<Socket>((resolve) => (give = resolve))
  const sql = postgres(db.url, { socket: () => late, connect_timeout: 0.1 } as object)
  await withStore({ postgres: sql, timeout: 0.8, ...quiet }, async (store) => {
    assert.equal((await failure(store.get('a'))).code, 'STORE_TIMEOUT')
    give(socket)
    await hungUp
    assert.equal(socket.bytesWritten, 0)
  })
  await sql.end()
})

test('a password that is no string ends no process, and is an error that says so', async () => {
  const { hostname: host, port: at, pathname, username: user } = new URL(db.url)
  for (const password of [() => undefined, async () => 42, () => ({}), 42, true]) {
    const conObject = { host, port: Number(at), database: pathname.slice(1), user, password }
    await withStore({ conObject, timeout: 0.8, errorLog() {} }, async (store) => {
      const outcome = await store.get('a').then(
        () => 'no password is asked for',
        (error) => `${error.code} ${error.message}`,
      )
      if (password !== undefined && typeof password !== 'function')
        assert.match(outcome, /STORE_PASSWORD|no password/)
      else assert.match(outcome, /STORE_PASSWORD|28P01|no password/)
    })
  }
})

test('no connection is left behind', () => db.drop())
