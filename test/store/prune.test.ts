// Pruning: what is deleted, by whom, and when.

import assert from 'node:assert/strict'
import { monotonicMs } from '../../src/clock.ts'
import { Pool } from '../../src/connection/pool.ts'
import type { Deletes, Place } from '../../src/pruning/prune.ts'
import { Pruner } from '../../src/pruning/pruner.ts'
import { parseOptions } from '../../src/settings/settings.ts'
import { names } from '../../src/table/names.ts'
import type { Statement } from '../../src/table/sql.ts'
import { statements } from '../../src/table/statements.ts'
import { Counters } from '../../src/tracing/counters.ts'
import { database, serverMajor, tableSql } from '../support/database.ts'
import { failure } from '../support/failure.ts'
import { promises } from '../support/promise.ts'
import { execute } from '../support/statement.ts'
import { backends, putRow, Store, withStore } from '../support/store.ts'

const db = await database('prune')
await db.sql.unsafe(tableSql)
const test = promises('prune')
const major = await serverMajor()
const at = { conString: db.url }
const { prune, prunePages, prunePagesUnlocked } = statements(names('session', undefined))

const fill = (count: number) =>
  db.sql`
    insert into session
    select 'dead-' || n, '{"cookie":{}}', now() - n * interval '1 minute' from generate_series(1, ${count}::int) n`
/** Only these and a live one, whatever tests before have left. */
const arrange = async (count: number) => {
  await db.sql`truncate session cascade`
  await putRow(db.sql, 'live', {})
  await fill(count)
}
const left = async () =>
  (await db.sql<{ sid: string }[]>`select sid from session order by sid`).map(({ sid }) => sid)
const pause = (ms: number) => new Promise((resume) => setTimeout(resume, ms))

test('all expired rows are deleted, in several batches, and their number is given; live ones stay', () =>
  withStore(at, async (store) => {
    await arrange(2500)
    assert.equal(await store.pruneSessions(), 2500)
    assert.deepEqual(await left(), ['live'])
    assert.equal(await store.pruneSessions(), 0)
  }))

test('a batch takes those that expired first', async () => {
  await arrange(10)
  const [deleted] = await execute(db.sql, prune, { now: Date.now() / 1000, limit: 3, from: '', skip: 0 })
  assert.equal(deleted?.[1], '3')
  assert.deepEqual(await left(), [1, 2, 3, 4, 5, 6, 7].map((n) => `dead-${n}`).concat('live'))
})

test('a locked row is passed over, and nobody waits', () =>
  withStore({ ...at, timeout: 5 }, async (store) => {
    await arrange(7)
    await db.sql.begin(async (sql) => {
      await sql`select from session where sid = 'dead-5' for update`
      assert.equal(await store.pruneSessions(), 6)
      assert.deepEqual(await left(), ['dead-5', 'live'])
    })
    assert.equal(await store.pruneSessions(), 1)
  }))

test('while one instance works, the others return 0', async () => {
  await arrange(10)
  await withStore(at, async (store) => {
    await db.sql.begin(async (sql) => {
      await execute(sql, prune, { now: Date.now() / 1000, limit: 1, from: '', skip: 0 })
      assert.equal(await store.pruneSessions(), 0)
    })
    assert.equal(await store.pruneSessions(), 9)
  })
})

test('instances that prune different tables do not keep each other from it', async () => {
  await db.sql`create schema other`
  await db.sql.unsafe(`set search_path = other; ${tableSql}; reset search_path`)
  await db.sql`insert into other.session values ('dead', '{"cookie":{}}', now() - interval '1 day')`
  await withStore({ ...at, schemaName: 'other' }, (store) =>
    db.sql.begin(async (sql) => {
      await execute(sql, prune, { now: Date.now() / 1000, limit: 1, from: '', skip: 0 })
      assert.equal(await store.pruneSessions(), 1)
    }),
  )
})

test('four instances at once delete every row once', async () => {
  await arrange(5000)
  const stores = Array.from({ length: 4 }, () => new Store({ ...at, pruneSessionInterval: false }))
  let total = 0
  for (let round = 0; round < 3; round++) {
    const counts = await Promise.all(stores.map((store) => store.pruneSessions()))
    total += counts.reduce((sum, count) => sum + count, 0)
  }
  assert.equal(total, 5000)
  assert.deepEqual(await left(), ['live'])
  await Promise.all(stores.map((store) => store.close()))
})

test('who calls while a prune runs gets its number', () =>
  withStore(at, async (store) => {
    await arrange(10)
    assert.deepEqual(await Promise.all([store.pruneSessions(), store.pruneSessions()]), [10, 10])
  }))

test('the timer prunes by itself, from the first use on', async () => {
  await arrange(10)
  const store = new Store({ ...at, pruneSessionInterval: 0.1, pruneSessionRandomizedInterval: false })
  await pause(250)
  assert.equal((await left()).length, 11, 'not before it is used')
  await store.get('live')
  const pruned = async () => {
    while ((await left()).length > 1) await pause(20)
    assert.deepEqual(await left(), ['live'])
  }
  await pruned()
  // Again and again.
  await fill(10)
  await pruned()
  await store.close()
})

test('with pruneSessionInterval false nothing is pruned by timer', async () => {
  await arrange(3)
  await withStore({ ...at, pruneSessionInterval: false }, async (store) => {
    await store.get('live')
    await pause(200)
    assert.equal((await left()).length, 4)
  })
})

const settings = (options: object = {}) => ({
  pruneSessionInterval: 0.05 as number | false,
  pruneSessionRandomizedInterval: (ms: number) => ms,
  errorLog: (): void => assert.fail('nothing should be logged'),
  ...options,
})

const START = { from: '', skip: 0 }
/** A batch of which no row stays. */
const gone = (count: number, from = '') => ({ found: count, count, place: { from, skip: 0 } })

/** Batches by expiry only. */
const only = (oldest: Deletes['oldest']): Deletes => ({
  oldest,
  next: () => assert.fail('no row is refused'),
  onPages: async () => ({ count: 0, isOurTurn: false, pages: 0 }),
})

test('the next prune begins an interval after the last one has ended, never before', async () => {
  const log: { what: string; at: number }[] = []
  const tell = (what: string) => log.push({ what, at: performance.now() })
  const pruner = new Pruner(
    settings(),
    only(async () => {
      tell('begin')
      await pause(150)
      tell('end')
      return gone(0)
    }),
  )
  pruner.start()
  pruner.start()
  while (log.length < 6) await pause(20)
  pruner.stop()
  await pause(200)
  for (const [i, { what, at }] of log.entries()) {
    assert.equal(what, i % 2 === 0 ? 'begin' : 'end')
    // Node's timers know whole milliseconds only.
    if (i > 0 && what === 'begin') assert.ok(at - (log[i - 1]?.at ?? 0) >= 49, JSON.stringify(log))
  }
})

test('a prune by hand starts the interval again', async () => {
  let runs = 0
  const pruner = new Pruner(
    settings({ pruneSessionInterval: 2 }),
    only(async () => {
      runs++
      return gone(0)
    }),
  )
  pruner.start()
  for (let i = 0; i < 8; i++) {
    await pause(300)
    await pruner.prune()
  }
  assert.equal(runs, 8, 'the timer had no turn')
  while (runs < 9) await pause(20)
  pruner.stop()
})

test('stopped in the middle, it ends with the batch', async () => {
  let batches = 0
  const begun: string[] = []
  const pruner = new Pruner(
    settings(),
    only(async (count, { from }) => {
      begun.push(from)
      batches++
      await pause(20)
      return gone(count, String(batches))
    }),
    10,
  )
  const running = pruner.prune()
  await pause(50)
  pruner.stop()
  assert.equal(await running, batches * 10)
  assert.deepEqual(begun.slice(0, 2), ['', '1'], 'each batch goes on where the last one got to')
  const ended = batches
  await pause(150)
  assert.equal(batches, ended)
})

test('where nearly every page has an expired row, it goes page by page, and by expiry where not', async () => {
  const log: string[] = []
  const found = [250, 3, 200, 200, 7]
  const pruner = new Pruner(
    settings(),
    {
      async oldest(limit) {
        log.push('oldest')
        return gone(limit, String(log.length))
      },
      next: () => assert.fail('no row is refused'),
      async onPages(from, upTo) {
        log.push(`${from}-${upTo}`)
        return { count: found.shift() as number, isOurTurn: true, pages: 990 }
      },
    },
    10,
  )
  assert.equal(await pruner.prune(), 10 + 250 + 3 + 10 + 200 + 200 + 7)
  assert.deepEqual(log, ['oldest', '0-200', '200-400', 'oldest', '400-600', '600-800', '800-1000'])
  pruner.stop()
})

test('it ends where it is another’s turn', async () => {
  let batches = 0
  const pruner = new Pruner(
    settings(),
    {
      oldest: async (limit) => gone(++batches < 5 ? limit : 0),
      next: () => assert.fail('no row is refused'),
      onPages: async () => ({ count: 0, isOurTurn: false, pages: 990 }),
    },
    10,
  )
  assert.equal(await pruner.prune(), 10)
  pruner.stop()
})

test(
  'going page by page it passes over locked rows, and deletes nothing where it is another’s turn',
  async () => {
    const pages = async () => {
      const [size] = await db.sql`select pg_relation_size('session') / 8192 as pages`
      return Number(size?.['pages'])
    }
    const now = Date.now() / 1000
    const run = (sql: Pick<typeof db.sql, 'unsafe'>, statement: Statement, upTo: number) =>
      execute(sql, statement, { now, from: 0, upTo })
    await arrange(20_000)
    const all = await pages()
    await db.sql.begin(async (sql) => {
      await sql`select from session where sid in ('dead-1', 'dead-20000') for update`
      const [[count, mine, size]] = (await run(db.sql, prunePagesUnlocked, 10)) as any
      assert.deepEqual([mine, Number(size)], ['true', all])
      assert.equal((await failure(run(db.sql, prunePages, all))).code, '55P03', 'it waits for nobody')
      assert.equal((await left()).length, 20_001 - Number(count))
      assert.ok(Number(count) > 100)
      await withStore(at, async (store) => {
        assert.equal(await store.pruneSessions(), 19_998 - Number(count))
        assert.deepEqual(await left(), ['dead-1', 'dead-20000', 'live'])
      })
    })
    await db.sql`delete from session where sid like 'dead-%'`
    await fill(5000)
    await db.sql.begin(async (sql) => {
      await run(sql, prunePages, 1)
      for (const text of [prunePages, prunePagesUnlocked]) {
        const [[count, mine]] = (await run(db.sql, text, all)) as any
        assert.deepEqual([count, mine], ['0', 'false'])
      }
    })
    await db.sql`delete from session where sid like 'dead-%'`
  },
  { skip: major < 14 ? 'pages are not read in ranges before PostgreSQL 14' : undefined },
)

test(
  'a partitioned table is pruned by expiry only: a place in it is one of each partition',
  async () => {
    await db.sql`create schema parted`
    await db.sql.unsafe(`
    create table parted.session (sid varchar not null, sess json not null, expire timestamp(6) not null, primary key (sid))
      partition by hash (sid);
    create table parted.a partition of parted.session for values with (modulus 2, remainder 0);
    create table parted.b partition of parted.session for values with (modulus 2, remainder 1);
    insert into parted.session
    select 'row-' || n, '{"cookie":{}}', now() + case when n % 3 = 0 then interval '1 day' else -n * interval '1 second' end
    from generate_series(1, 9000) n`)
    await withStore({ ...at, schemaName: 'parted' }, async (store) => {
      assert.equal(await store.pruneSessions(), 6000)
      assert.equal(await store.length(), 3000)
    })
    await db.sql`update parted.session set expire = now() - interval '1 hour'`
    const parted = statements(names('session', 'parted'))
    for (const statement of [parted.prunePages, parted.prunePagesUnlocked]) {
      const found = await execute(db.sql, statement, { now: Date.now() / 1000, from: 0, upTo: 200 })
      assert.deepEqual([...found[0]!], ['0', 'false', '0'])
    }
  },
  { skip: major < 11 ? 'there is no partitioning by hash before PostgreSQL 11' : undefined },
)

test('rows that a trigger keeps are passed over, however many are the oldest, and it is said once', async () => {
  await arrange(0)
  await db.sql.unsafe(`
    create function keep() returns trigger language plpgsql as 'begin return null; end';
    create trigger keep before delete on session for each row when (old.sid like 'kept-%') execute procedure keep();
    insert into session
    select 'kept-' || n, '{"cookie":{}}'::json, now() - interval '1 year' from generate_series(1, 1500) n
    union all
    select 'kept-b' || n, '{"cookie":{}}', now() - interval '3 months' - n * interval '1 minute'
    from generate_series(1, 700) n`)
  await fill(2500)
  const logged: any[] = []
  await withStore({ ...at, errorLog: (...values) => logged.push(values) }, async (store) => {
    assert.equal(await store.pruneSessions(), 2500)
    await fill(10)
    assert.equal(await store.pruneSessions(), 10)
  })
  assert.equal((await left()).filter((sid) => sid.startsWith('kept-')).length, 2200)
  assert.equal(logged.length, 1)
  assert.match(logged[0][0], /cannot be pruned/)
  assert.equal(logged[0][1].code, 'STORE_KEPT')
  await db.sql.unsafe('drop trigger keep on session; drop function keep')
  await withStore(at, async (store) => assert.equal(await store.pruneSessions(), 2200))
})

for (const [what, sql, code] of [
  ['a foreign key', 'create table carts (sid varchar references session)', '23503'],
  [
    'an exception of a trigger',
    `create table carts (sid varchar);
      create function refuse() returns trigger language plpgsql as $$
        begin
          if exists (select from carts where sid = old.sid) then
            raise exception 'cart of %', old.sid using errcode = '45000';
          end if;
          return old;
        end $$;
      create trigger refuse before delete on session for each row execute procedure refuse()`,
    '45000',
  ],
] as const) {
  test(`rows that ${what} refuses to delete stay, all others go, and it is said once`, async () => {
    await arrange(0)
    await db.sql.unsafe(sql)
    await db.sql`
      insert into session
      select 'cart-' || n, '{"cookie":{}}', now() - interval '1 year' from generate_series(1, 30) n`
    await fill(2500)
    await db.sql`
      insert into carts
      select sid from session where sid like 'cart-%' or sid in ('dead-5', 'dead-1700', 'dead-1701')`
    const logged: any[] = []
    await withStore({ ...at, errorLog: (...values) => logged.push(values) }, async (store) => {
      assert.equal(await store.pruneSessions(), 2497)
      await fill(4)
      assert.equal(await store.pruneSessions(), 4)
      assert.deepEqual(
        (await left()).filter((sid) => !sid.startsWith('cart-')),
        ['dead-1700', 'dead-1701', 'dead-5', 'live'],
      )
      await db.sql`truncate carts`
      assert.equal(await store.pruneSessions(), 33, 'as soon as nothing keeps them')
      await fill(5000)
      await db.sql`insert into carts values ('dead-1')`
      assert.equal(await store.pruneSessions(), 4999, 'also where it was going page by page')
      await db.sql`truncate carts`
      assert.equal(await store.pruneSessions(), 1)
    })
    assert.equal(logged.length, 2, 'anew after none stayed')
    assert.equal(logged[0][1].code, code)
    assert.doesNotMatch(logged[0][1].message, /cart-|dead-/)
    await db.sql.unsafe('drop table carts; drop function if exists refuse cascade')
  })
}

test('the timer goes on behind the rows that stay, and tries them again now and then', async () => {
  const begun: Place[] = []
  let isStuck = true
  const told: string[] = []
  const pruner = new Pruner(
    settings({ pruneSessionInterval: 0.01, errorLog: (text: string) => told.push(text) }),
    {
      ...only(async (limit, place) => {
        if (limit === 10) begun.push(place)
        if (!isStuck) return gone(0)
        if (place.from === '') return { refused: new Error('kept') }
        return { found: 0, count: 0, place }
      }),
      next: async () => ({ from: '7', skip: 1 }),
    },
    10,
  )
  pruner.start()
  while (begun.filter(({ from }) => from === '').length < 2) await pause(5)
  const again = begun.findIndex(({ from }, i) => i > 0 && from === '')
  assert.deepEqual(begun.slice(0, again), [
    START,
    ...Array.from({ length: 10 }, () => ({ from: '7', skip: 1 })),
  ])
  assert.equal(told.length, 1)
  isStuck = false
  begun.length = 0
  while (begun.filter(({ from }) => from === '').length < 3) await pause(5)
  pruner.stop()
})

test('a prune that is refused a thousand times ends, and the next goes on from there', async () => {
  let passed = 0
  const pruner = new Pruner(settings({ errorLog() {}, pruneSessionInterval: 0.01 }), {
    ...only(async (_limit, { from }) =>
      Number(from) < 1500 ? { refused: new Error('kept') } : { found: 0, count: 0, place: { from, skip: 1 } },
    ),
    next: async ({ from }) => {
      passed = Number(from) + 1
      return { from: String(passed), skip: 1 }
    },
  })
  assert.equal(await pruner.prune(), 0)
  assert.ok(passed > 900 && passed < 1000, String(passed))
  while (passed < 1500) await pause(5)
  pruner.stop()
})

test('a view on a table is pruned as well', async () => {
  await db.sql`create view seen as select sid, sess, expire from session`
  await arrange(2500)
  await withStore({ ...at, tableName: 'seen' }, async (store) => {
    assert.equal(await store.pruneSessions(), 2500)
  })
  assert.deepEqual(await left(), ['live'])
})

test('close in the middle of a prune waits for its batch, and leaves the rest', async () => {
  await arrange(20_000)
  const store = new Store({ ...at, pruneSessionInterval: false })
  const running = store.pruneSessions()
  await store.close()
  const deleted = await running
  assert.ok(deleted > 0 && deleted < 20_000)
  assert.equal((await left()).length, 20_001 - deleted)
  await db.sql`delete from session where sid like 'dead-%'`
})

test('an error of the timer goes to errorLog and does not stop it', async () => {
  const logged: unknown[][] = []
  const pruner = new Pruner(
    settings({ errorLog: (...values: unknown[]) => logged.push(values) }),
    only(async () => {
      throw new Error('down')
    }),
  )
  pruner.start()
  while (logged.length < 2) await pause(10)
  pruner.stop()
  assert.deepEqual([logged[0]?.[0], (logged[0] as any)[1].message], ['Failed to prune sessions', 'down'])
})

test('a randomizer that throws or returns what no timer takes is logged, and the interval taken as it is', async () => {
  const shows = async (randomizer: (ms: number) => number) => {
    const logged: unknown[] = []
    let runs = 0
    const pruner = new Pruner(
      settings({
        pruneSessionInterval: 1,
        pruneSessionRandomizedInterval: randomizer,
        errorLog: (...values: unknown[]) => logged.push(...values),
      }),
      only(async () => gone(++runs)),
      100,
    )
    pruner.start()
    await pause(100)
    assert.equal(runs, 0)
    while (runs < 1) await pause(10)
    pruner.stop()
    assert.match(String(logged[0]), /pruneSessionRandomizedInterval/)
  }
  const wrong = [() => Number.NaN, () => 1e12, () => -1, () => assert.fail('of the app')]
  await Promise.all(wrong.map(shows))
})

test('the randomizer is given milliseconds', async () => {
  const given: number[] = []
  const pruner = new Pruner(
    settings({
      pruneSessionInterval: 7,
      pruneSessionRandomizedInterval: (ms: number) => {
        given.push(ms)
        return 10
      },
    }),
    only(async () => gone(0)),
  )
  pruner.start()
  while (given.length < 2) await pause(5)
  pruner.stop()
  assert.deepEqual(given.slice(0, 2), [7000, 7000])
})

test('an error of a prune by hand goes to who called', () =>
  withStore({ ...at, tableName: 'absent' }, async (store) => {
    assert.equal((await failure(store.pruneSessions())).code, '42P01')
  }))

test('prunes by hand go on behind more rows that a foreign key keeps than one gives up after', async () => {
  const own = await database('prune_behind')
  try {
    await own.sql.unsafe(`${tableSql};
      insert into session select 'kept-' || n, '{"cookie":{}}', now() - interval '2 days' + n * interval '1 second'
        from generate_series(1, 1200) n;
      insert into session select 'free-' || n, '{"cookie":{}}', now() - interval '1 day' from generate_series(1, 500) n;
      create table carts (sid varchar references session);
      insert into carts select sid from session where sid like 'kept-%'`)
    await withStore({ conString: own.url, errorLog() {} }, async (store) => {
      assert.equal((await store.pruneSessions()) + (await store.pruneSessions()), 500)
    })
    assert.equal((await own.sql`select from session`).length, 1200)
  } finally {
    await own.drop()
  }
})

test('a statement_timeout that a whole batch cannot meet makes batches smaller, and does not stop pruning', async () => {
  const own = await database('prune_slowly')
  try {
    await own.sql.unsafe(`${tableSql};
      insert into session select 'row-' || n, '{"cookie":{}}', now() - interval '1 day' from generate_series(1, 300) n;
      create function dawdle() returns trigger language plpgsql as
        $$ begin perform pg_sleep(0.005); return old; end $$;
      create trigger dawdling before delete on session for each row execute procedure dawdle()`)
    await withStore({ conString: `${own.url}?statement_timeout=500`, errorLog() {} }, async (store) => {
      await store.pruneSessions()
    })
    assert.ok((await own.sql`select from session`).length < 300)
  } finally {
    await own.drop()
  }
})

test('rows of an inherited table are pruned to the last', async () => {
  const own = await database('prune_heirs')
  try {
    await own.sql.unsafe(`${tableSql}; create table heirs () inherits (session);
      insert into session select 'a-' || n, '{"cookie":{}}', now() - interval '1 day' from generate_series(1, 100) n;
      insert into heirs select 'b-' || n, '{"cookie":{}}', now() - interval '1 day' from generate_series(1, 20000) n`)
    await withStore({ conString: own.url }, async (store) => {
      assert.equal(await store.pruneSessions(), 20_100)
    })
  } finally {
    await own.drop()
  }
})

test('what a prune still has to do when the store is closed opens no connection', async () => {
  const pool = new Pool(parseOptions(at), new Counters())
  const next = () => {
    const until = monotonicMs() + 10_000
    return pool.query({ verb: 'next', text: 'select 1::text', parameters: () => [], until })
  }
  assert.deepEqual(await next(), [['1']])
  await pool.close()
  assert.equal((await failure(next())).code, 'STORE_CLOSED')
  assert.deepEqual(await backends(db.sql), [])
})

test('a row that expires this very second is served, and is not pruned', () =>
  withStore(at, async (store) => {
    const { now } = Date
    const second = Math.ceil(now() / 1000) + 100
    await arrange(0)
    await db.sql`insert into session values ('exactly', '{"cookie":{}}', to_timestamp(${second}::float8))`
    await db.sql`delete from session where sid = 'live'`
    Date.now = () => second * 1000
    try {
      assert.equal(await store.pruneSessions(), 0)
      assert.ok(await store.get('exactly'))
      Date.now = () => second * 1000 + 1
      assert.equal(await store.get('exactly'), null)
      assert.equal(await store.pruneSessions(), 1)
    } finally {
      Date.now = now
    }
  }))

test(
  'more rows of one and the same expiry that a trigger keeps than a batch has are passed over, and none is left behind',
  async () => {
    await arrange(0)
    await db.sql`
    insert into session
    select case when n <= 2500 then 'kept-' else 'free-' end || n, '{"cookie":{}}', date_trunc('minute', now() - interval '1 hour')
    from generate_series(1, 4000) n`
    await db.sql`
    create function keep() returns trigger language plpgsql as
    $$begin if old.sid like 'kept-%' then return null; end if; return old; end$$`
    await db.sql`create trigger keep before delete on session for each row execute procedure keep()`
    try {
      await withStore({ ...at, errorLog() {} }, async (store) => {
        // With a listener it does not go by pages.
        let told = 0
        store.on('expire', () => told++)
        assert.equal(await store.pruneSessions(), 1500)
        assert.equal(told, 1500)
        assert.equal((await left()).filter((sid) => sid.startsWith('free-')).length, 0)
      })
    } finally {
      await db.sql`drop function keep cascade`
    }
  },
  {
    skip:
      major < 13
        ? 'in an index of such a server rows of one expiry have no order: some may be left to the next prune'
        : undefined,
  },
)

test('no connection is left behind', () => db.drop())
