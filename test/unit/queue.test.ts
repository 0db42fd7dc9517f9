// The order of operations on each key, deadlines, and tasks for all keys. No database.

import assert from 'node:assert/strict'
import fc from 'fast-check'
import { failure } from '../support/failure.ts'
import { promises } from '../support/promise.ts'
import { backend, type Op } from '../support/queue.ts'
import { fakeTime, tick } from '../support/time.ts'

const test = promises('queue')

test('what is known only after nobody waits for it any more is not sent, and counts for nothing', async () => {
  const time = fakeTime()
  const { queue, sent } = backend({ time, timeoutMs: 20 })
  let know = (_op: Op) => {}
  const late = failure(queue.submit('a', new Promise((resolve) => (know = resolve))))
  await time.pass(21)
  assert.equal((await late).message, 'late')
  know({ verb: 'append', weight: 2000 })
  await tick()
  assert.equal(sent.length, 0)
  const next = queue.submit('a', { verb: 'read' })
  await tick()
  sent[0]?.end()
  assert.equal(await next, 'a')
})

test('more callers or more weight than may wait are refused at once, until others have ended', async () => {
  const { queue, sent } = backend({ maxWaiting: { callers: 3, weight: 10 } })
  const read = (key: string) => queue.submit(key, { verb: 'read' })
  const three = [read('a'), read('a'), read('b')]
  const promised = Promise.reject(new Error('never looked at'))
  assert.equal((await failure(read('c'))).message, 'busy')
  assert.equal((await failure(queue.submit('c', promised))).message, 'busy')
  await tick()
  sent[0]?.end()
  await Promise.all(three)
  const heavy = queue.submit('d', { verb: 'append', weight: 9 })
  const folded = queue.submit('d', { verb: 'append', weight: 1 })
  const heavier = queue.submit('e', Promise.resolve({ verb: 'append' as const, weight: 12 }))
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
  const time = fakeTime()
  const { queue, sent } = backend({ time, maxWaiting: { callers: 1, weight: 10 }, timeoutMs: 50 })
  const late = failure(queue.submit('a', { verb: 'read' }))
  await time.pass(51)
  assert.equal((await late).message, 'late')
  const next = queue.submit('b', { verb: 'read' })
  sent[0]?.end()
  await tick()
  sent[1]?.end()
  assert.equal(await next, 'b')
})

test('operations on one key fold while they wait, and never into what has left', async () => {
  const { queue, sent } = backend()
  const all = [queue.submit('a', { verb: 'append', text: '1' })]
  await tick()
  all.push(queue.submit('a', { verb: 'append', text: '2' }), queue.submit('a', { verb: 'append', text: '3' }))
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
  const { queue, sent } = backend()
  let know: (op: Op) => void = () => {}
  const promised = queue.submit(
    'a',
    new Promise<Op>((resolve) => {
      know = resolve
    }),
  )
  const broken = failure(queue.submit('a', Promise.reject(new Error('broken'))))
  const behind = queue.submit('a', { verb: 'append', text: 'behind' })
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

test('each caller is told when its own time is over; what nobody waits for is not sent', async () => {
  const time = fakeTime()
  const { queue, sent, keys } = backend({ time, timeoutMs: 200 })
  const stuck = failure(queue.submit('a', { verb: 'append' }))
  await tick()
  const queued = failure(queue.submit('b', { verb: 'append' }))
  const behind = failure(queue.submit('a', { verb: 'append' }))
  await time.pass(100)
  const later = queue.submit('c', { verb: 'append' })
  await time.pass(105)
  assert.deepEqual(
    (await Promise.all([stuck, queued, behind])).map((error) => error.message),
    ['late', 'late', 'late'],
  )
  sent[0]?.end()
  await tick()
  await tick()
  assert.deepEqual(keys(), ['a', 'c'])
  sent[1]?.end()
  assert.equal(await later, 'c')
})

test('a promise that is never kept ends by its deadline, and its key is free again', async () => {
  const time = fakeTime()
  const { queue, sent } = backend({ time, timeoutMs: 60 })
  const never = failure(queue.submit('a', new Promise<Op>(() => {})))
  await time.pass(30)
  const next = queue.submit('a', { verb: 'append' })
  await time.pass(31)
  assert.equal((await never).message, 'late')
  await tick()
  sent[0]?.end()
  assert.equal(await next, 'a')
})

test('what waits behind a task for all keys ends by its own time, and reads do not wait for it', async () => {
  const time = fakeTime()
  const { queue, sent } = backend({ time, timeoutMs: 100 })
  let end = () => {}
  const task = queue.runExclusive(() => new Promise<void>((resolve) => (end = resolve)))
  const behind = failure(queue.submit('a', { verb: 'append' }))
  const reading = queue.submit('b', { verb: 'read' })
  await tick()
  sent[0]?.end()
  assert.equal(await reading, 'b')
  await time.pass(101)
  assert.equal((await behind).message, 'late')
  end()
  await task
  assert.equal(sent.length, 1, 'what nobody waits for is not sent')
})

test('a task for all keys runs after the writes submitted before, and before those submitted after', async () => {
  const log: string[] = []
  const { queue } = backend({
    async run({ keys }) {
      await tick()
      log.push(...keys)
      return keys
    },
  })
  const append = (key: string) => queue.submit(key, { verb: 'append' })
  const all = [
    append('a'),
    queue.runExclusive(async () => {
      await tick()
      log.push('first')
    }),
    append('b'),
    failure(queue.submit('x', Promise.reject(new Error('broken')))),
    failure(queue.runExclusive(async () => Promise.reject(new Error('no')))),
    append('c'),
    queue.after(async () => void log.push('looked')),
    queue.runExclusive(async () => void log.push('second')),
    append('d'),
  ]
  await Promise.all(all)
  assert.deepEqual(log, ['a', 'first', 'b', 'c', 'looked', 'second', 'd'])
})

test('a task that only looks waits for earlier writes, and keeps no later one from being done', async () => {
  const { queue, sent, keys } = backend({ lanes: { read: 1, write: 2 } })
  const early = queue.submit('a', { verb: 'append' })
  await tick()
  let looked = false
  const look = queue.after(async () => {
    looked = true
  })
  const later = queue.submit('b', { verb: 'append' })
  const sameKey = queue.submit('a', { verb: 'append' })
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
  const { queue, sent, keys } = backend()
  const first = queue.submit('a', { verb: 'append', text: '1' })
  const task = queue.runExclusive(async () => {})
  const second = queue.submit('a', { verb: 'append', text: '2' })
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
  const { queue } = backend({ maxWaiting: { callers: 2, weight: 10 } })
  let end = () => {}
  const first = queue.runExclusive(() => new Promise<void>((resolve) => (end = resolve)))
  const second = queue.after(async () => {})
  assert.equal((await failure(queue.after(async () => {}))).message, 'busy')
  assert.equal((await failure(queue.runExclusive(async () => {}))).message, 'busy')
  await tick()
  end()
  await Promise.all([first, second])
  await queue.after(async () => {})
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
        const { queue } = backend({
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
            queue.submit(key, late ? tick().then(() => op) : op),
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

test('what a caller asked for whose time is over is left out of what it was folded into', async () => {
  const time = fakeTime()
  const { queue, sent } = backend({ time, timeoutMs: 100 })
  const first = queue.submit('a', { verb: 'append', text: '1' }).catch(() => {})
  await tick()
  const late = failure(queue.submit('a', { verb: 'append', text: '2' }))
  await time.pass(50)
  const later = queue.submit('a', { verb: 'append', text: '3' })
  await time.pass(60)
  assert.equal((await late).message, 'late')
  sent[0]?.end()
  await first
  await tick()
  sent[1]?.end()
  await later
  assert.equal(sent[1]?.batch.ops[0]?.text, '3')
})

test('what is left of a fold goes one after the other where it does not fold by itself', async () => {
  const time = fakeTime()
  // Whatever follows the first folds into it, and into nothing else.
  const { queue, sent } = backend({
    time,
    timeoutMs: 100,
    fold: (a, b) =>
      a.text === 'first' ? { verb: 'append', text: 'first' } : a.text === b.text ? b : undefined,
  })
  const way = queue.submit('a', { verb: 'other' }).catch(() => {})
  await tick()
  const late = failure(queue.submit('a', { verb: 'append', text: 'first' }))
  await time.pass(50)
  const rest = ['x', 'y', 'y'].map((text) => queue.submit('a', { verb: 'append', text }))
  await time.pass(60)
  await late
  sent[0]?.end()
  await way
  for (let i = 1; i <= 2; i++) {
    await tick()
    sent[i]?.end()
  }
  await Promise.all(rest)
  assert.deepEqual(
    sent.slice(1).map(({ batch }) => batch.ops[0]?.text),
    ['x', 'y'],
  )
})

test('a batch that is too late for one of its callers is sent again without what that one asked for', async () => {
  const time = fakeTime()
  const { queue, sent } = backend({ time, timeoutMs: 100 })
  const first = queue.submit('way', { verb: 'append' })
  await tick()
  const late = failure(queue.submit('a', { verb: 'append', text: '1' }))
  await time.pass(50)
  const later = queue.submit('b', { verb: 'append', text: '2' })
  sent[0]?.end()
  await first
  await tick()
  const { effectUntil = 0, until = 0 } = sent[1]?.batch ?? {}
  assert.equal(until - effectUntil, 50)
  await time.pass(55)
  sent[1]?.fail(new Error('too late'))
  assert.equal((await late).message, 'late')
  await tick()
  sent[2]?.end()
  assert.equal(await later, 'b')
  assert.deepEqual(sent[2]?.batch.keys, ['b'])
})

test('an operation that is refused takes none with it that was folded into the same one', async () => {
  const { queue } = backend({
    run: async ({ keys, ops }) => {
      if (ops.some((op) => op.text?.includes('bad'))) throw new Error('member')
      return keys
    },
  })
  const outcomes = await Promise.allSettled(
    ['1', 'bad', '2'].map((text) => queue.submit('a', { verb: 'append', text })),
  )
  assert.deepEqual(
    outcomes.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled'],
  )
})

test('idle resolves when reads have ended too', async () => {
  const { queue, sent } = backend()
  await queue.idle()
  const reading = queue.submit('a', { verb: 'read' })
  const writing = queue.submit('b', { verb: 'append' })
  let idle = false
  const done = queue.idle().then(() => {
    idle = true
  })
  await tick()
  sent.find(({ batch }) => batch.keys[0] === 'b')?.end()
  await writing
  await tick()
  assert.equal(idle, false)
  sent.find(({ batch }) => batch.keys[0] === 'a')?.end()
  await reading
  await done
})

test('a part of a batch that is sent again leaves out what was asked for by callers whose time is over', async () => {
  const time = fakeTime()
  const { queue, sent } = backend({ time, timeoutMs: 100 })
  const way = queue.submit('way', { verb: 'append' }).catch(() => {})
  await tick()
  const late = failure(queue.submit('a', { verb: 'append', text: 'late' }))
  const other = failure(queue.submit('b', { verb: 'append', text: 'other' }))
  await time.pass(50)
  const later = queue.submit('a', { verb: 'append', text: 'later' })
  const behind = queue.submit('c', { verb: 'append', text: 'c' })
  sent[0]?.end()
  await way
  await tick()
  assert.deepEqual(sent[1]?.batch.keys, ['a', 'b', 'c'])
  await time.pass(55)
  await Promise.all([late, other])
  sent[1]?.fail(new Error('member'))
  for (let i = 2; i < 6; i++) {
    await tick()
    sent[i]?.end()
  }
  await Promise.all([later, behind])
  const texts = sent.slice(2).flatMap(({ batch }) => batch.ops.map((op) => op.text))
  assert.deepEqual(texts.sort(), ['c', 'later'])
})

test('what is left is sent apart where it is of another verb', async () => {
  const time = fakeTime()
  const { queue, sent } = backend({
    time,
    timeoutMs: 100,
    fold: (a, b) => (a.verb === 'append' && b.verb === 'other' ? { ...a } : undefined),
  })
  const way = queue.submit('way', { verb: 'append' }).catch(() => {})
  await tick()
  const late = failure(queue.submit('a', { verb: 'append', text: 'late' }))
  await time.pass(50)
  const later = queue.submit('a', { verb: 'other', text: 'later' })
  const behind = queue.submit('c', { verb: 'append', text: 'c' })
  sent[0]?.end()
  await way
  await tick()
  await time.pass(55)
  await late
  sent[1]?.fail(new Error('locked'))
  for (let i = 2; i < 6; i++) {
    await tick()
    sent[i]?.end()
  }
  await Promise.all([later, behind])
  assert.deepEqual(
    sent
      .slice(2)
      .map(({ batch }) => batch.ops.map((op) => op.text).join())
      .sort(),
    ['c', 'later'],
  )
})

test('an error of a batch is not told to a caller who was not tried without those whose time is over', async () => {
  const time = fakeTime()
  const { queue, sent } = backend({ time, timeoutMs: 100 })
  const way = queue.submit('way', { verb: 'append' }).catch(() => {})
  await tick()
  const late = failure(queue.submit('a', { verb: 'append', text: 'bad' }))
  await time.pass(50)
  const later = queue.submit('a', { verb: 'append', text: 'good' })
  sent[0]?.end()
  await way
  await tick()
  await time.pass(55)
  await late
  sent[1]?.fail(new Error('member'))
  await tick()
  sent[2]?.end()
  await later
  assert.equal(sent[2]?.batch.ops[0]?.text, 'good')
})

test('a task for all keys that is refused lets later ones wait for earlier writes all the same', async () => {
  const { queue, sent } = backend({ maxWaiting: { callers: 2, weight: 1000 } })
  const write = queue.submit('a', { verb: 'append' })
  const reading = queue.submit('b', { verb: 'read' })
  assert.equal((await failure(queue.runExclusive(async () => {}))).message, 'busy')
  await tick()
  sent.find(({ batch }) => batch.keys[0] === 'b')?.end()
  await reading
  let looked = false
  const look = queue.after(async () => {
    looked = true
  })
  await tick()
  assert.equal(looked, false)
  sent.find(({ batch }) => batch.keys[0] === 'a')?.end()
  await Promise.all([write, look])
})

test('a task that names the writes it waits for waits for no other, and for nothing that was submitted later', async () => {
  const { queue, sent, keys } = backend({ lanes: { read: 1, write: 3 } })
  const done: string[] = []
  const submit = (key: string) => queue.submit(key, { verb: 'other' })
  const writes = [submit('a'), submit('b')]
  const reading = queue.submit('c', { verb: 'read' })
  assert.deepEqual(
    queue.writes.map(({ key }) => key),
    ['a', 'b'],
  )
  const ofA = queue.writes.filter(({ key }) => key === 'a')
  const tasks = [
    queue.after(async () => done.push('of none'), []),
    queue.after(async () => done.push('of a'), ofA),
    queue.after(async () => done.push('of all')),
  ]
  writes.push(submit('a'))
  await tick()
  assert.deepEqual(done, ['of none'])
  const end = (batch: string) => sent[keys().indexOf(batch)]?.end()
  const [first] = keys().filter((batch) => batch.includes('a'))
  assert.equal(await Promise.race([queue.ended(ofA), tick().then(() => 'waits')]), 'waits')
  end(first as string)
  await tick()
  assert.ok(done.includes('of a'))
  await queue.ended(ofA)
  for (const { end: endOne } of sent) endOne()
  await tick()
  for (const { end: endOne } of sent) endOne()
  await Promise.all([...writes, reading, ...tasks])
  assert.deepEqual(queue.writes, [])
})

test('while an exclusive task is under way, a task that names its writes waits for that one too', async () => {
  const { queue } = backend()
  const done: string[] = []
  let finish = () => {}
  const exclusive = queue.runExclusive(() => new Promise<void>((resolve) => (finish = resolve)))
  const after = queue.after(async () => done.push('after'), [])
  await tick()
  assert.deepEqual(done, [])
  finish()
  await Promise.all([exclusive, after])
  assert.deepEqual(done, ['after'])
})

test('who waits for a write waits for all that was folded into it, also when that is sent one by one', async () => {
  const { queue, sent } = backend()
  const append = (text: string) => queue.submit('a', { verb: 'append', text })
  const both = [append('1'), failure(append('2'))]
  const waiting = queue.ended(queue.writes)
  let ended = false
  void waiting.then(() => {
    ended = true
  })
  await tick()
  sent[0]?.fail(new Error('member'))
  await tick()
  sent[1]?.end()
  await tick()
  assert.equal(ended, false)
  sent[2]?.fail(new Error('member'))
  await waiting
  await Promise.all(both)
})

test('a caller that came later with an earlier deadline ends no one else’s wait, and has no effect after it', async () => {
  const { queue, sent } = backend()
  const soonest = performance.now() + 1000
  const both = [
    queue.submit('a', { verb: 'append', text: '1' }),
    queue.submit('a', { verb: 'append', text: '2' }, undefined, soonest),
  ]
  await tick()
  const { until, effectUntil } = sent[0]?.batch ?? { until: 0, effectUntil: 0 }
  assert.equal(effectUntil, soonest)
  assert.ok(until > soonest + 2000)
  sent[0]?.end()
  assert.deepEqual(await Promise.all(both), ['a', 'a'])
})

test('an operation that fails behind one on its way does not send that one again', async () => {
  const { queue, sent } = backend({ lanes: { read: 1, write: 2 } })
  const first = queue.submit('a', { verb: 'append' })
  await tick()
  const broken = failure(queue.submit('a', Promise.reject(new Error('broken'))))
  assert.equal((await broken).message, 'broken')
  await tick()
  assert.equal(sent.length, 1)
  sent[0]?.end()
  await first
  await tick()
  assert.equal(sent.length, 1)
})

test('what is on its way at its deadline has a moment to fail by itself, with the better reason', async () => {
  const time = fakeTime()
  const { queue, sent } = backend({ time, timeoutMs: 1000 })
  const reason = failure(queue.submit('a', { verb: 'append' }))
  await time.pass(1005)
  sent[0]?.fail(new Error('the better reason'))
  assert.equal((await reason).message, 'the better reason')
  const silent = failure(queue.submit('a', { verb: 'append' }))
  await time.pass(1025)
  assert.equal((await silent).message, 'late')
})

test('a second task for all keys waits for the first, and for nothing that came between but its writes', async () => {
  const { queue, sent } = backend()
  const order: string[] = []
  let endFirst = () => {}
  const first = queue.runExclusive(
    () =>
      new Promise<void>((resolve) => {
        endFirst = () => {
          order.push('first')
          resolve()
        }
      }),
  )
  const between = queue.submit('a', { verb: 'append' }).then(() => order.push('between'))
  const second = queue.runExclusive(async () => void order.push('second'))
  const after = queue.submit('b', { verb: 'append' }).then(() => order.push('after'))
  await tick()
  assert.deepEqual([order, sent.length], [[], 0])
  endFirst()
  await first
  await tick()
  sent[0]?.end()
  await Promise.all([between, second])
  await tick()
  sent[1]?.end()
  await after
  assert.deepEqual(order, ['first', 'between', 'second', 'after'])
})
