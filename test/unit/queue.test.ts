// Batching, order and deadlines, with a backend that the test drives by hand. No database.

import assert from 'node:assert/strict'
import fc from 'fast-check'
import * as time from '../../src/clock.ts'
import { type Batch, Batcher, type BatcherOptions } from '../../src/queue/batcher.ts'
import { Queue, type QueueOptions } from '../../src/queue/queue.ts'
import { failure } from '../support/failure.ts'
import { promises } from '../support/promise.ts'

const test = promises('lanes')

interface Op {
  verb: 'read' | 'append' | 'other'
  text?: string
  weight?: number
}

/** A backend whose batches end when the test says so. */
function backend(options: Partial<QueueOptions<Op> & BatcherOptions<Op, string>> = {}) {
  const sent: { batch: Batch<Op>; end(answers?: string[]): void; fail(error: Error): void }[] = []
  const given: QueueOptions<Op> & BatcherOptions<Op, string> = {
    time,
    lanes: { read: 1, write: 1 },
    timeoutMs: 5000,
    maxKeys: 3,
    maxSize: 100,
    heldPauseMs: 5,
    maxWaiting: { callers: 1000, weight: 1000 },
    isRead: (op) => op.verb === 'read',
    weigh: (op) => op.weight ?? 1,
    size: (op) => op.weight ?? 1,
    fold: (a, b) =>
      a.verb === b.verb && a.verb !== 'other' ? { verb: a.verb, text: `${a.text}${b.text}` } : undefined,
    run: (batch) =>
      new Promise((resolve, reject) => {
        sent.push({ batch, end: (answers) => resolve(answers ?? [...batch.keys]), fail: reject })
      }),
    followUp: () => undefined,
    isOfOneMember: (error) => (error as Error).message === 'member',
    isHeldUp: (error) => (error as Error).message === 'locked',
    isHeld: (answer) => answer === 'held',
    timedOut: () => new Error('late'),
    busy: () => new Error('busy'),
    ...options,
  }
  const lanes = new Queue<Op, string>(given, (ends) => new Batcher(given, ends))
  return { lanes, sent, keys: () => sent.map(({ batch }) => batch.keys.join('')) }
}

/** Until what was submitted is sent, and what was answered has let the next go. */
const tick = () => new Promise((resume) => setImmediate(() => setImmediate(resume)))

test('what one tick submits travels together, and an idle lane sends at once', async () => {
  const { lanes, sent, keys } = backend()
  const one = Promise.all(['a', 'b'].map((key) => lanes.submit(key, { verb: 'read' })))
  await tick()
  assert.deepEqual(keys(), ['ab'])
  sent[0]?.end()
  assert.deepEqual(await one, ['a', 'b'])
})

test('what is known only after nobody waits for it any more is not sent, and counts for nothing', async () => {
  const { lanes, sent } = backend({ timeoutMs: 20 })
  let know = (_op: Op) => {}
  const late = lanes.submit('a', new Promise((resolve) => (know = resolve)))
  assert.equal((await failure(late)).message, 'late')
  know({ verb: 'append', weight: 2000 })
  await tick()
  assert.equal(sent.length, 0)
  const next = lanes.submit('a', { verb: 'read' })
  await tick()
  sent[0]?.end()
  assert.equal(await next, 'a')
})

test('more callers or more weight than may wait are refused at once, until others have ended', async () => {
  const { lanes, sent } = backend({ maxWaiting: { callers: 3, weight: 10 } })
  const read = (key: string) => lanes.submit(key, { verb: 'read' })
  const three = [read('a'), read('a'), read('b')]
  const promised = Promise.reject(new Error('never looked at'))
  assert.equal((await failure(read('c'))).message, 'busy')
  assert.equal((await failure(lanes.submit('c', promised))).message, 'busy')
  await tick()
  sent[0]?.end()
  await Promise.all(three)
  const heavy = lanes.submit('d', { verb: 'append', weight: 9 })
  const folded = lanes.submit('d', { verb: 'append', weight: 1 })
  const heavier = lanes.submit('e', Promise.resolve({ verb: 'append' as const, weight: 12 }))
  await tick()
  assert.equal((await failure(read('f'))).message, 'busy')
  for (let i = 1; i < sent.length; i++) sent[i]?.end()
  await Promise.all([heavy, folded])
  await tick()
  for (let i = 1; i < sent.length; i++) sent[i]?.end()
  await heavier
  const last = read('g')
  await tick()
  sent.at(-1)?.end()
  assert.equal(await last, 'g')
})

test('a caller who stopped waiting makes room', async () => {
  const { lanes, sent } = backend({ maxWaiting: { callers: 1, weight: 10 }, timeoutMs: 50 })
  const late = lanes.submit('a', { verb: 'read' })
  assert.equal((await failure(late)).message, 'late')
  const next = lanes.submit('b', { verb: 'read' })
  sent[0]?.end()
  await tick()
  sent[1]?.end()
  assert.equal(await next, 'b')
})

test('while a batch is on its way the next one gathers, up to its size, of one verb', async () => {
  const { lanes, sent, keys } = backend()
  const all = Promise.all([
    lanes.submit('a', { verb: 'append' }),
    tick().then(() =>
      Promise.all([
        lanes.submit('b', { verb: 'append' }),
        lanes.submit('c', { verb: 'other' }),
        lanes.submit('d', { verb: 'append' }),
        lanes.submit('e', { verb: 'append' }),
        lanes.submit('f', { verb: 'append' }),
      ]),
    ),
  ])
  for (let i = 0; i < 4; i++) {
    await tick()
    await tick()
    sent[i]?.end()
  }
  await all
  assert.deepEqual(keys(), ['a', 'bde', 'c', 'f'])
})

test('a batch is bounded in size, and one that is heavier still travels, alone', async () => {
  const { lanes, sent, keys } = backend()
  const all = Promise.all([
    lanes.submit('a', { verb: 'append', weight: 60 }),
    lanes.submit('b', { verb: 'append', weight: 60 }),
    lanes.submit('c', { verb: 'append', weight: 500 }),
  ])
  for (let i = 0; i < 3; i++) {
    await tick()
    sent[i]?.end()
  }
  await all
  assert.deepEqual(keys(), ['a', 'b', 'c'])
})

test('reads and writes have lanes of their own, but not on the same key', async () => {
  const { lanes, sent, keys } = backend()
  const all = Promise.all([
    lanes.submit('a', { verb: 'append' }),
    lanes.submit('a', { verb: 'read' }),
    lanes.submit('b', { verb: 'read' }),
  ])
  await tick()
  assert.deepEqual(keys(), ['b', 'a'].sort())
  assert.deepEqual(
    sent.map(({ batch }) => batch.ops[0]?.verb),
    ['append', 'read'],
  )
  sent[0]?.end()
  sent[1]?.end()
  await tick()
  assert.deepEqual(keys(), ['a', 'b', 'a'])
  sent[2]?.end()
  await all
})

test('operations on one key fold while they wait, and never into what has left', async () => {
  const { lanes, sent } = backend()
  const all = [lanes.submit('a', { verb: 'append', text: '1' })]
  await tick()
  all.push(lanes.submit('a', { verb: 'append', text: '2' }), lanes.submit('a', { verb: 'append', text: '3' }))
  await tick()
  assert.equal(sent.length, 1)
  sent[0]?.end()
  await tick()
  assert.deepEqual(
    sent.map(({ batch }) => batch.ops[0]?.text),
    ['1', '23'],
  )
  sent[1]?.end()
  await Promise.all(all)
})

test('a promised operation keeps its place, and one whose promise fails leaves it', async () => {
  const { lanes, sent } = backend()
  let know: (op: Op) => void = () => {}
  const promised = lanes.submit(
    'a',
    new Promise<Op>((resolve) => {
      know = resolve
    }),
  )
  const broken = failure(lanes.submit('a', Promise.reject(new Error('broken'))))
  const behind = lanes.submit('a', { verb: 'append', text: 'behind' })
  await tick()
  assert.equal(sent.length, 0)
  assert.equal((await broken).message, 'broken')
  know({ verb: 'append', text: 'promised' })
  await tick()
  sent[0]?.end()
  await promised
  await tick()
  sent[1]?.end()
  await behind
  assert.deepEqual(
    sent.map(({ batch }) => batch.ops[0]?.text),
    ['promised', 'behind'],
  )
})

test('a batch that fails for one of its members fails only that one, after few statements', async () => {
  let statements = 0
  const { lanes } = backend({
    maxKeys: 200,
    async run({ keys }) {
      statements++
      if (keys.includes('bad')) throw new Error('member')
      return keys
    },
  })
  const names = Array.from({ length: 100 }, (_, i) => (i === 42 ? 'bad' : `k${i}`))
  const results = await Promise.allSettled(names.map((key) => lanes.submit(key, { verb: 'append' })))
  for (const [i, result] of results.entries()) {
    assert.equal(result.status, names[i] === 'bad' ? 'rejected' : 'fulfilled')
  }
  assert.ok(statements <= 15, `${statements} statements`)
})

test('a key that is held is passed over, asked for again apart from the others, and folds what comes', async () => {
  const locked = { is: true }
  const log: string[] = []
  const waits: number[] = []
  const asked: string[] = []
  const { lanes } = backend({
    maxKeys: 200,
    async run({ keys, ops, passesOverHeld }) {
      await tick()
      const held = locked.is && keys.includes('held')
      if (held && !passesOverHeld) {
        waits.push(keys.length)
        throw new Error('locked')
      }
      if (keys.includes('held')) asked.push(keys.join())
      log.push(...ops.filter((_, i) => !held || keys[i] !== 'held').map((op) => op.text as string))
      return keys.map((key) => (held && key === 'held' ? 'held' : `${key}!`))
    },
  })
  const names = Array.from({ length: 50 }, (_, i) => (i === 20 ? 'held' : `k${i}`))
  const all = names.map((key) => lanes.submit(key, { verb: 'append', text: key }))
  const [held] = all.splice(20, 1)
  assert.ok((await Promise.all(all)).every((answer) => answer.endsWith('!')))
  assert.equal(log.length, 49)
  assert.deepEqual(asked, [names.join()], 'the others needed one batch more')
  const next = lanes.submit('held', { verb: 'append', text: '+' })
  for (let round = 0; round < 5; round++) {
    await Promise.all(['k1', 'k2', 'k3'].map((key) => lanes.submit(key, { verb: 'append', text: 'k' })))
  }
  locked.is = false
  assert.deepEqual(await Promise.all([held, next]), ['held!', 'held!'])
  assert.deepEqual(waits, [50], 'it held up one batch, once')
  assert.ok(asked.slice(1).every((keys) => keys === 'held'))
  assert.equal(log.at(-1), 'held+')
})

test('keys that cannot be passed over are tried again one by one, behind the others', async () => {
  const locked = new Set(['a', 'd'])
  const { lanes } = backend({
    maxKeys: 200,
    async run({ keys }) {
      await tick()
      if (keys.some((key) => locked.has(key))) throw new Error('locked')
      return keys.map((key) => `${key}!`)
    },
  })
  const all = ['a', 'b', 'c', 'd', 'e'].map((key) => lanes.submit(key, { verb: 'append' }))
  assert.deepEqual(await Promise.all([all[1], all[2], all[4]]), ['b!', 'c!', 'e!'])
  locked.clear()
  assert.deepEqual(await Promise.all([all[0], all[3]]), ['a!', 'd!'])
})

test('a key that is held up until its time is over fails then, and is free again', async () => {
  const locked = { is: true }
  const { lanes } = backend({
    timeoutMs: 50,
    async run({ keys }) {
      await tick()
      if (locked.is) throw new Error('locked')
      return keys
    },
  })
  assert.equal((await failure(lanes.submit('a', { verb: 'append' }))).message, 'late')
  locked.is = false
  assert.equal(await lanes.submit('a', { verb: 'append' }), 'a')
})

test('a key that was held up while its last caller gave up is let go', async () => {
  const { lanes, sent } = backend({ timeoutMs: 50 })
  const late = failure(lanes.submit('a', { verb: 'append' }))
  await tick()
  assert.equal((await late).message, 'late')
  sent[0]?.fail(new Error('locked'))
  await tick()
  await tick()
  assert.equal(sent.length, 1, 'it is not sent again')
  const next = lanes.submit('a', { verb: 'append' })
  await tick()
  sent[1]?.end()
  assert.equal(await next, 'a')
})

test('a batch that fails otherwise fails all its members, and the lane goes on', async () => {
  const { lanes, sent } = backend()
  const both = [
    failure(lanes.submit('a', { verb: 'append' })),
    failure(lanes.submit('b', { verb: 'append' })),
  ]
  await tick()
  sent[0]?.fail(new Error('down'))
  assert.deepEqual(
    (await Promise.all(both)).map((error) => error.message),
    ['down', 'down'],
  )
  const next = lanes.submit('a', { verb: 'append' })
  await tick()
  sent[1]?.end()
  assert.equal(await next, 'a')
})

test('each caller is told when its own time is over; what nobody waits for is not sent', async () => {
  const { lanes, sent, keys } = backend({ timeoutMs: 200 })
  const stuck = failure(lanes.submit('a', { verb: 'append' }))
  await tick()
  const queued = failure(lanes.submit('b', { verb: 'append' }))
  const behind = failure(lanes.submit('a', { verb: 'append' }))
  await new Promise((resume) => setTimeout(resume, 100))
  const later = lanes.submit('c', { verb: 'append' })
  later.catch(() => {})
  const started = Date.now()
  assert.deepEqual(
    (await Promise.all([stuck, queued, behind])).map((error) => error.message),
    ['late', 'late', 'late'],
  )
  sent[0]?.end()
  await tick()
  await tick()
  assert.deepEqual(keys(), ['a', 'c'], `after ${Date.now() - started} ms`)
  sent[1]?.end()
  assert.equal(await later, 'c')
})

test('a promise that is never kept ends by its deadline, and its key is free again', async () => {
  const { lanes, sent } = backend({ timeoutMs: 60 })
  const never = failure(lanes.submit('a', new Promise<Op>(() => {})))
  await new Promise((resume) => setTimeout(resume, 30))
  const next = lanes.submit('a', { verb: 'append' })
  assert.equal((await never).message, 'late')
  await tick()
  sent[0]?.end()
  assert.equal(await next, 'a')
})

test('what waits behind a task for all keys ends by its own time, and reads do not wait for it', async () => {
  const { lanes, sent } = backend({ timeoutMs: 100 })
  let end = () => {}
  const task = lanes.exclusively(() => new Promise<void>((resolve) => (end = resolve)))
  const behind = failure(lanes.submit('a', { verb: 'append' }))
  const reading = lanes.submit('b', { verb: 'read' })
  await tick()
  sent[0]?.end()
  assert.equal(await reading, 'b')
  assert.equal((await behind).message, 'late')
  end()
  await task
  assert.equal(sent.length, 1, 'what nobody waits for is not sent')
})

test('a task for all keys runs after the writes submitted before, and before those submitted after', async () => {
  const log: string[] = []
  const { lanes } = backend({
    async run({ keys }) {
      await tick()
      log.push(...keys)
      return keys
    },
  })
  const append = (key: string) => lanes.submit(key, { verb: 'append' })
  const all = [
    append('a'),
    lanes.exclusively(async () => {
      await tick()
      log.push('first')
    }),
    append('b'),
    failure(lanes.submit('x', Promise.reject(new Error('broken')))),
    failure(lanes.exclusively(async () => Promise.reject(new Error('no')))),
    append('c'),
    lanes.after(async () => void log.push('looked')),
    lanes.exclusively(async () => void log.push('second')),
    append('d'),
  ]
  await Promise.all(all)
  assert.deepEqual(log, ['a', 'first', 'b', 'c', 'looked', 'second', 'd'])
})

test('a task that only looks waits for earlier writes, and keeps no later one from being done', async () => {
  const { lanes, sent, keys } = backend({ lanes: { read: 1, write: 2 } })
  const early = lanes.submit('a', { verb: 'append' })
  await tick()
  let looked = false
  const look = lanes.after(async () => {
    looked = true
  })
  const later = lanes.submit('b', { verb: 'append' })
  const sameKey = lanes.submit('a', { verb: 'append' })
  await tick()
  sent[1]?.end()
  assert.equal(await later, 'b')
  assert.equal(looked, false)
  sent[0]?.end()
  await early
  await look
  assert.equal(looked, true)
  await tick()
  sent[2]?.end()
  assert.equal(await sameKey, 'a')
  assert.deepEqual(keys(), ['a', 'b', 'a'])
})

test('a write never folds into one that was submitted before a task for all keys', async () => {
  const { lanes, sent, keys } = backend()
  const first = lanes.submit('a', { verb: 'append', text: '1' })
  const task = lanes.exclusively(async () => {})
  const second = lanes.submit('a', { verb: 'append', text: '2' })
  await tick()
  sent[0]?.end()
  await task
  await tick()
  sent[1]?.end()
  await Promise.all([first, second])
  assert.deepEqual(keys(), ['a', 'a'])
  assert.deepEqual(
    sent.map(({ batch }) => batch.ops[0]?.text),
    ['1', '2'],
  )
})

test('tasks count as waiting callers, and too many are refused', async () => {
  const { lanes } = backend({ maxWaiting: { callers: 2, weight: 10 } })
  let end = () => {}
  const first = lanes.exclusively(() => new Promise<void>((resolve) => (end = resolve)))
  const second = lanes.after(async () => {})
  assert.equal((await failure(lanes.after(async () => {}))).message, 'busy')
  assert.equal((await failure(lanes.exclusively(async () => {}))).message, 'busy')
  await tick()
  end()
  await Promise.all([first, second])
  await lanes.after(async () => {})
})

test('whatever is submitted when: per key the order holds, no key is twice on its way, all are answered', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.record({
          key: fc.constantFrom('a', 'b', 'c', 'd'),
          verb: fc.constantFrom('read', 'append', 'other') as fc.Arbitrary<Op['verb']>,
          wait: fc.boolean(),
          late: fc.boolean(),
        }),
        { maxLength: 30 },
      ),
      async (steps) => {
        const onTheWay = new Set<string>()
        const state = new Map<string, string>()
        const { lanes } = backend({
          lanes: { read: 2, write: 2 },
          async run({ keys, ops }) {
            for (const key of keys) assert.ok(!onTheWay.has(key))
            for (const key of keys) onTheWay.add(key)
            await tick()
            return keys.map((key, i) => {
              onTheWay.delete(key)
              if (ops[i]?.verb !== 'read') state.set(key, `${state.get(key) ?? ''}${ops[i]?.text}`)
              return state.get(key) ?? ''
            })
          },
        })
        const expected = new Map<string, string>()
        const answers: [Promise<string>, string | undefined][] = []
        for (const [i, { key, verb, wait, late }] of steps.entries()) {
          const op: Op = { verb, text: verb === 'read' ? '' : `${i},` }
          if (verb !== 'read') expected.set(key, `${expected.get(key) ?? ''}${op.text}`)
          answers.push([
            lanes.submit(key, late ? tick().then(() => op) : op),
            verb === 'read' ? (expected.get(key) ?? '') : undefined,
          ])
          if (wait) await tick()
        }
        for (const [answer, text] of answers) {
          const given = await answer
          if (text !== undefined) assert.equal(given, text)
        }
        assert.deepEqual(state, expected)
      },
    ),
    { numRuns: 300 },
  )
})
