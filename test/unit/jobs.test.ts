// What the queue does at its bounds: how many callers, how long, in which batch, with which flags. No database.

import assert from 'node:assert/strict'
import { AsyncLocalStorage, createHook } from 'node:async_hooks'
import { CallbackCaller } from '../../src/queue/caller.ts'
import { Deadlines } from '../../src/queue/deadlines.ts'
import { Eras } from '../../src/queue/eras.ts'
import type { Batch } from '../../src/queue/runner.ts'
import { Turns } from '../../src/queue/turns.ts'
import { failure } from '../support/failure.ts'
import { promises } from '../support/promise.ts'
import { backend, type Op } from '../support/queue.ts'
import { fakeTime, tick } from '../support/time.ts'

const test = promises('jobs')

const append = (text: string): Op => ({ verb: 'append', text })

/** Chance decides as the test says, for as long as `use` runs. */
async function withChance(of: number, use: () => Promise<void>): Promise<void> {
  const real = Math.random
  Math.random = () => of
  try {
    await use()
  } finally {
    Math.random = real
  }
}

test('callbacks are called once, in the async context in which was asked', async () => {
  const { queue, sent } = backend({ maxWaiting: { callers: 2, weight: 10 } })
  const request = new AsyncLocalStorage<string>()
  const heard: unknown[] = []
  const hear = (answer: unknown) => void heard.push([request.getStore(), answer])
  const fail = (error: unknown) => void heard.push([request.getStore(), (error as Error).message])
  const sizes: number[] = []
  const ask = (key: string) =>
    request.run(`of ${key}`, () => queue.ask(key, { verb: 'read' }, hear, fail, (size) => sizes.push(size)))
  for (const key of ['a', 'b', 'c']) ask(key)
  assert.equal(queue.waiting, 2)
  await tick()
  sent[0]?.end()
  await tick()
  assert.deepEqual(heard, [
    ['of c', 'busy'],
    ['of a', 'a'],
    ['of b', 'b'],
  ])
  assert.deepEqual(sizes, [2, 2])
  assert.equal(queue.waiting, 0)
  ask('d')
  await tick()
  sent[1]?.fail(new Error('down'))
  await tick()
  assert.deepEqual(heard[3], ['of d', 'down'])
})

test('a caller is a resource of its own to tools that follow async work, and gone once it was answered', async () => {
  const begun: [number, string][] = []
  const destroyed: number[] = []
  const hook = createHook({
    init: (id, type) => void begun.push([id, type]),
    destroy: (id) => void destroyed.push(id),
  }).enable()
  const nothing = () => {}
  const callers = [0, 1].map(() => new CallbackCaller<Op, string>(nothing, nothing, 5, nothing))
  callers[0]?.resolve('a')
  callers[1]?.reject(new Error('no'))
  await tick()
  hook.disable()
  const ids = begun.filter(([, type]) => type === 'connect-postgres-simple').map(([id]) => id)
  assert.equal(ids.length, 2)
  for (const id of ids) assert.ok(destroyed.includes(id))
  assert.deepEqual([callers[0]?.until, callers[0]?.onSent], [5, nothing])
})

test('the weight of what waits is given back when it was done, and counts once where it was folded', async () => {
  const { queue, sent } = backend({ maxWaiting: { callers: 100, weight: 10 }, weigh: (op) => op.weight ?? 0 })
  const isRefused = (weight = 0) => {
    const other = queue.submit('other', { verb: 'append', weight })
    return Promise.race([other.then(() => false).catch(() => true), tick().then(() => false)])
  }
  const write = (key: string, weight: number) => queue.submit(key, { verb: 'append', weight })
  for (let round = 0; round < 3; round++) {
    const all = [write('a', 9), write('a', 4), write('b', 5)]
    assert.equal(await isRefused(), false, 'what was folded weighs what is left of it')
    sent.at(-1)?.end()
    await Promise.all(all)
  }
  const full = write('c', 10)
  assert.equal(await isRefused(), true, 'at exactly its weight')
  await tick()
  sent.at(-1)?.end()
  await full
  assert.equal(await isRefused(), false)
})

test('the weight of what nobody waits for any more is given back', async () => {
  const time = fakeTime()
  const { queue, sent } = backend({ time, timeoutMs: 100, maxWaiting: { callers: 100, weight: 10 } })
  const way = queue.submit('a', { verb: 'other' }).catch(() => {})
  await time.pass(0)
  const late = failure(queue.submit('a', { verb: 'append', weight: 10 }))
  assert.equal((await failure(queue.submit('b', append('x')))).message, 'busy')
  await time.pass(102)
  await Promise.all([way, late])
  sent[0]?.end()
  const next = queue.submit('b', append('x'))
  await time.pass(0)
  sent.at(-1)?.end()
  assert.equal(await next, 'b')
})

test('a batch holds no more than its size, and closes at exactly its size', async () => {
  for (const [sizes, batches] of [
    [
      [40, 60, 1],
      ['ab', 'c'],
    ],
    [
      [40, 61, 1],
      ['a', 'bc'],
    ],
    [
      [100, 1, 1],
      ['a', 'bc'],
    ],
    [
      [100, 0, 0],
      ['a', 'bc'],
    ],
    [
      [99, 1, 1],
      ['ab', 'c'],
    ],
    [
      [1, 0, 0, 0],
      ['abc', 'd'],
    ],
  ] as [number[], string[]][]) {
    const { queue, sent, keys } = backend()
    const all = sizes.map((weight, i) => queue.submit('abcd'[i]!, { verb: 'append', weight }))
    for (let i = 0; i < batches.length; i++) {
      await tick()
      sent[i]?.end()
    }
    await Promise.all(all)
    assert.deepEqual(keys(), batches, String(sizes))
  }
})

test('what is too large for a batch closes it, so that nothing overtakes it', async () => {
  const { queue, sent, keys } = backend()
  const all = [60, 60, 30].map((weight, i) => queue.submit('abc'[i]!, { verb: 'append', weight }))
  for (let i = 0; i < 2; i++) {
    await tick()
    sent[i]?.end()
  }
  await Promise.all(all)
  assert.deepEqual(keys(), ['a', 'bc'])
})

test('an ordinary batch waits for locks and skips nothing', async () => {
  await withChance(0, async () => {
    const { queue, sent } = backend()
    const all = [queue.submit('a', append('1')), queue.submit('b', { verb: 'read' })]
    await tick()
    for (const { batch, end } of sent) {
      assert.deepEqual([batch.skipsHeld, batch.isPatient], [false, false])
      end()
    }
    await Promise.all(all)
  })
})

const flags = ({ keys, skipsHeld, isPatient }: Batch<Op>) => [keys.join(''), skipsHeld, isPatient]

test('a held job is tried again after a pause, skipping or, by chance, alone and patiently', async () => {
  for (const [chance, mayWaitForLocks, expected] of [
    [
      0.4,
      true,
      [
        ['a', false, true],
        ['b', false, true],
      ],
    ],
    [0.5, true, [['ab', true, false]]],
    [0.6, true, [['ab', true, false]]],
    [0.4, false, [['ab', true, false]]],
  ] as const) {
    await withChance(chance, async () => {
      const time = fakeTime()
      const { queue, sent } = backend({ time, mayWaitForLocks })
      const all = ['a', 'b'].map((key) => queue.submit(key, append(key)))
      await time.pass(0)
      sent[0]?.fail(new Error('locked'))
      await time.pass(0)
      assert.deepEqual(flags(sent[1]!.batch), ['ab', true, false], 'at once, skipping')
      sent[1]?.end(['held', 'held'])
      await time.pass(4)
      assert.equal(sent.length, 2)
      for (let i = 2; i < 2 + expected.length; i++) {
        await time.pass(5)
        sent[i]?.end()
      }
      await Promise.all(all)
      assert.deepEqual(
        sent.slice(2).map(({ batch }) => flags(batch)),
        expected,
      )
    })
  }
})

test('a held job is no longer held once it was done', async () => {
  await withChance(0.9, async () => {
    const time = fakeTime()
    let follow = true
    const { queue, sent } = backend({
      time,
      followUp: (op, answer) => {
        const again = follow && answer !== 'held'
        follow = false
        return again ? Promise.resolve({ ...op, text: 'more' }) : undefined
      },
    })
    const only = queue.submit('a', append('1'))
    await time.pass(0)
    sent[0]?.fail(new Error('locked'))
    await time.pass(5)
    sent[1]?.end()
    await time.pass(0)
    assert.deepEqual([...flags(sent[2]!.batch), sent[2]?.batch.ops[0]?.text], ['a', false, false, 'more'])
    sent[2]?.end()
    assert.equal(await only, 'a')
  })
})

test('an answer that says "held" counts only where held rows were to be skipped', async () => {
  const { queue, sent } = backend()
  const only = queue.submit('a', append('1'))
  await tick()
  sent[0]?.end(['held'])
  assert.equal(await only, 'held')
})

test('what has to follow an answer is sent before it is given, and its failure is the caller’s', async () => {
  let fails = false
  const { queue, sent } = backend({
    followUp: (op, answer) => {
      if (answer !== 'more') return undefined
      return fails ? Promise.reject(new Error('no follow-up')) : Promise.resolve({ ...op, text: 'next' })
    },
  })
  const only = queue.submit('a', append('1'))
  const behind = queue.submit('a', { verb: 'other' })
  await tick()
  sent[0]?.end(['more'])
  await tick()
  assert.equal(sent[1]?.batch.ops[0]?.text, 'next', 'before what came behind it')
  sent[1]?.end(['done'])
  assert.equal(await only, 'done')
  await tick()
  fails = true
  sent[2]?.end(['more'])
  assert.equal((await failure(behind)).message, 'no follow-up')
})

test('a follow-up that fails is told to all callers, and nothing is sent again', async () => {
  const { queue, sent } = backend({ followUp: () => Promise.reject(new Error('no follow-up')) })
  const both = ['1', '2'].map((text) => failure(queue.submit('a', append(text))))
  await tick()
  sent[0]?.end()
  await Promise.all(both)
  await tick()
  assert.equal(sent.length, 1)
})

test('one job alone whose lock is not granted is tried again after the pause, and not before', async () => {
  const time = fakeTime()
  const { queue, sent } = backend({ time })
  const only = queue.submit('a', append('1'))
  await time.pass(0)
  sent[0]?.fail(new Error('locked'))
  await time.pass(4)
  assert.equal(sent.length, 1)
  await time.pass(1)
  sent[1]?.end()
  assert.equal(await only, 'a')
})

test('a slot that gets free for nothing but what nobody waits for sends nothing', async () => {
  const time = fakeTime()
  const { queue, sent } = backend({ time, timeoutMs: 50 })
  const way = queue.submit('a', append('1')).catch(() => {})
  await time.pass(0)
  const late = failure(queue.submit('b', append('2'), undefined, 30))
  await time.pass(31)
  await late
  sent[0]?.end()
  await way
  await time.pass(1)
  assert.equal(sent.length, 1)
})

test('a promise that fails after its caller has given up leaves no trace', async () => {
  const time = fakeTime()
  const { queue, sent } = backend({ time, timeoutMs: 50 })
  let refuse = (_error: Error) => {}
  const never = new Promise<Op>((_, reject) => {
    refuse = reject
  })
  const late = failure(queue.submit('a', never))
  await time.pass(51)
  await late
  refuse(new Error('at last'))
  await time.pass(0)
  const write = queue.submit('b', append('1'))
  let ran = false
  const task = queue.after(async () => {
    ran = true
  })
  let idle = false
  const end = queue.idle().then(() => {
    idle = true
  })
  await time.pass(1)
  assert.deepEqual([ran, idle], [false, false])
  sent[0]?.end()
  await Promise.all([write, task, end])
})

test('an error of one member that is alone is told to its caller at once', async () => {
  for (const message of ['member', 'down']) {
    const { queue, sent } = backend()
    const error = failure(queue.submit('a', append('1')))
    await tick()
    sent[0]?.fail(new Error(message))
    assert.equal((await error).message, message)
    assert.equal(sent.length, 1)
  }
})

test('the halves of a failed batch go one after the other', async () => {
  const { queue, sent, keys } = backend({ maxKeys: 10 })
  const all = [...'abcdefgh'].map((key) => queue.submit(key, append(key)))
  await tick()
  sent[0]?.fail(new Error('member'))
  await tick()
  assert.deepEqual(keys(), ['abcdefgh', 'abcd'])
  sent[1]?.end()
  await tick()
  assert.deepEqual(keys(), ['abcdefgh', 'abcd', 'efgh'])
  assert.deepEqual(flags(sent[2]!.batch), ['efgh', false, false])
  sent[2]?.end()
  await Promise.all(all)
})

test('a read that fails for one of several callers is not sent again for each', async () => {
  const { queue, sent } = backend()
  const both = ['1', '2'].map(() => failure(queue.submit('a', { verb: 'read' })))
  await tick()
  sent[0]?.fail(new Error('member'))
  assert.deepEqual(
    (await Promise.all(both)).map(({ message }) => message),
    ['member', 'member'],
  )
  assert.equal(sent.length, 1)
})

test('a fold that fails otherwise is not sent again one by one', async () => {
  const { queue, sent } = backend()
  const both = ['1', '2'].map((text) => failure(queue.submit('a', append(text))))
  await tick()
  sent[0]?.fail(new Error('down'))
  await Promise.all(both)
  await tick()
  assert.equal(sent.length, 1)
})

test('where nobody waits any more, no part of a failed batch is sent again', async () => {
  const time = fakeTime()
  const { queue, sent } = backend({ time, timeoutMs: 50 })
  const late = ['a', 'b'].map((key) => failure(queue.submit(key, append(key))))
  await time.pass(52)
  await Promise.all(late)
  sent[0]?.fail(new Error('member'))
  await time.pass(10)
  assert.equal(sent.length, 1)
  const next = queue.submit('a', append('next'))
  await time.pass(0)
  sent[1]?.end()
  assert.equal(await next, 'a')
})

test('what is on its way has a grace of a hundredth of the time, what waits has none', async () => {
  const time = fakeTime()
  const { queue } = backend({ time, timeoutMs: 1000 })
  const over: string[] = []
  const submit = (key: string, op: Op) => void queue.submit(key, op).catch(() => over.push(key))
  submit('sent', append('1'))
  await time.pass(0)
  submit('waiting', append('2'))
  await time.pass(999)
  assert.deepEqual(over, [])
  await time.pass(1)
  assert.deepEqual(over, ['waiting'], 'at exactly its deadline')
  await time.pass(9)
  assert.deepEqual(over, ['waiting'])
  await time.pass(11)
  assert.deepEqual(over, ['waiting', 'sent'])
})

test('an operation that is late takes nothing from one that was answered meanwhile', async () => {
  const time = fakeTime()
  const { queue, sent } = backend({ time, timeoutMs: 100 })
  const late = failure(queue.submit('a', append('1')))
  await time.pass(102)
  await late
  assert.equal(queue.waiting, 0)
  sent[0]?.end()
  await tick()
  assert.equal(queue.waiting, 0)
})

test('each write counts once for the tasks behind it, and each job once for the end', async () => {
  const { queue, sent } = backend({ lanes: { read: 2, write: 3 } })
  const done: string[] = []
  const writes = ['a', 'b', 'c'].map((key) => queue.submit(key, { verb: 'other', text: key }))
  const task = queue.after(async () => void done.push('task'))
  await tick()
  const idle = queue.idle().then(() => done.push('idle'))
  assert.equal(sent.length, 1)
  sent[0]?.end(['a', 'b', 'c'])
  await Promise.all([...writes, task, idle])
  assert.deepEqual(done, ['task', 'idle'])
  const { queue: other, sent: ways } = backend({ maxKeys: 1, lanes: { read: 1, write: 3 } })
  const order: string[] = []
  const all = ['a', 'b'].map((key) => other.submit(key, append(key)))
  const after = other.after(async () => void order.push('task'))
  const ended = other.idle().then(() => order.push('idle'))
  await tick()
  ways[0]?.end()
  await all[0]
  await tick()
  assert.deepEqual(order, [], 'one write is left')
  ways[1]?.end()
  await Promise.all([...all, after, ended])
  assert.deepEqual(order, ['task', 'idle'])
})

test('a task that names a write that has ended waits for nothing', async () => {
  const { queue, sent } = backend()
  const write = queue.submit('a', append('1'))
  const { writes } = queue
  await tick()
  sent[0]?.end()
  await write
  await queue.ended(writes)
  let ran = false
  await queue.after(async () => {
    ran = true
  }, writes)
  assert.ok(ran)
})

test('a write whose caller gave up in the middle of its chain lets the others keep their order', async () => {
  const time = fakeTime()
  const { queue, sent, keys } = backend({ time, timeoutMs: 100 })
  const first = queue.submit('a', { verb: 'other', text: '1' }, undefined, 500)
  await time.pass(0)
  const late = failure(queue.submit('a', { verb: 'other', text: '2' }, undefined, 50))
  const last = queue.submit('a', { verb: 'other', text: '3' }, undefined, 500)
  await time.pass(60)
  await late
  assert.deepEqual(keys(), ['a'], 'the third waits for the first')
  sent[0]?.end()
  await first
  await time.pass(0)
  assert.equal(sent[1]?.batch.ops[0]?.text, '3')
  sent[1]?.end()
  await last
})

test('one timer serves all deadlines: the earliest one, and none where nothing waits', async () => {
  const started: number[] = []
  const fake = fakeTime()
  const time = {
    ...fake,
    startTimer(work: () => void, delayMs: number) {
      started.push(delayMs)
      return fake.startTimer(work, delayMs)
    },
  }
  const swept: number[] = []
  const nexts = [70, Number.POSITIVE_INFINITY]
  const deadlines = new Deadlines(time, (now) => swept.push(now) && nexts.shift()!, 10)
  deadlines.add(50)
  deadlines.add(50)
  deadlines.add(60)
  assert.deepEqual(started, [50])
  deadlines.add(40)
  assert.deepEqual(started, [50, 40])
  await fake.pass(200)
  assert.deepEqual(swept, [40, 70])
  assert.deepEqual(started, [50, 40, 30])
  deadlines.add(201)
  assert.deepEqual(started, [50, 40, 30, 10], 'no sooner than the precision')
})

test('a gate holds back what comes behind its task, releases that and nothing else, and opens if it fails', async () => {
  const eras = new Eras<string>(fakeTime())
  assert.equal(eras.current.gate.waiting, undefined)
  const released: string[] = []
  for (const task of [async () => {}, () => Promise.reject(new Error('failed'))]) {
    eras.beginAfter(task(), (write) => released.push(write))
    const { gate } = eras.current
    gate.waiting?.push('a', 'b')
    await tick()
    assert.equal(gate.waiting, undefined)
  }
  assert.deepEqual(released, ['a', 'b', 'a', 'b'])
})

test('so many tasks run at once, and the others in their turn, also behind one that fails', async () => {
  const turns = new Turns(2)
  const ends: ((failed?: boolean) => void)[] = []
  const begun: number[] = []
  const run = (n: number) =>
    turns.run(() => {
      begun.push(n)
      return new Promise<number>((resolve, reject) => {
        ends[n] = (failed) => (failed ? reject(new Error('failed')) : resolve(n))
      })
    })
  const all = [0, 1, 2, 3].map((n) => run(n).catch(() => -1))
  await tick()
  assert.deepEqual(begun, [0, 1])
  ends[1]!(true)
  await tick()
  assert.deepEqual(begun, [0, 1, 2])
  ends[0]!()
  await tick()
  assert.deepEqual(begun, [0, 1, 2, 3])
  for (const n of [2, 3]) ends[n]!()
  assert.deepEqual(await Promise.all(all), [0, -1, 2, 3])
  const more = [4, 5, 6].map(run)
  await tick()
  assert.deepEqual(begun.slice(4), [4, 5], 'not more at once than before')
  for (const n of [4, 5]) ends[n]!()
  await tick()
  ends[6]!()
  await Promise.all(more)
})
