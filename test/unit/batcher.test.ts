// What travels together, and what is held or fails apart from the others. No database.

import assert from 'node:assert/strict'
import { failure } from '../support/failure.ts'
import { promises } from '../support/promise.ts'
import { backend } from '../support/queue.ts'
import { fakeTime, tick } from '../support/time.ts'

const test = promises('batcher')

test('what one tick submits travels together, and an idle lane sends at once', async () => {
  const { queue, sent, keys } = backend()
  const one = Promise.all(['a', 'b'].map((key) => queue.submit(key, { verb: 'read' })))
  await tick()
  assert.deepEqual(keys(), ['ab'])
  sent[0]?.end()
  assert.deepEqual(await one, ['a', 'b'])
})

test('while a batch is on its way the next one gathers, up to its size, of one verb', async () => {
  const { queue, sent, keys } = backend()
  const all = Promise.all([
    queue.submit('a', { verb: 'append' }),
    tick().then(() =>
      Promise.all([
        queue.submit('b', { verb: 'append' }),
        queue.submit('c', { verb: 'other' }),
        queue.submit('d', { verb: 'append' }),
        queue.submit('e', { verb: 'append' }),
        queue.submit('f', { verb: 'append' }),
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
  const { queue, sent, keys } = backend()
  const all = Promise.all([
    queue.submit('a', { verb: 'append', weight: 60 }),
    queue.submit('b', { verb: 'append', weight: 60 }),
    queue.submit('c', { verb: 'append', weight: 500 }),
  ])
  for (let i = 0; i < 3; i++) {
    await tick()
    sent[i]?.end()
  }
  await all
  assert.deepEqual(keys(), ['a', 'b', 'c'])
})

test('reads and writes have lanes of their own, but not on the same key', async () => {
  const { queue, sent, keys } = backend()
  const all = Promise.all([
    queue.submit('a', { verb: 'append' }),
    queue.submit('a', { verb: 'read' }),
    queue.submit('b', { verb: 'read' }),
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

test('a batch that fails for one of its members fails only that one, after few statements', async () => {
  let statements = 0
  const { queue } = backend({
    maxKeys: 200,
    async run({ keys }) {
      statements++
      if (keys.includes('bad')) throw new Error('member')
      return keys
    },
  })
  const names = Array.from({ length: 100 }, (_, i) => (i === 42 ? 'bad' : `k${i}`))
  const results = await Promise.allSettled(names.map((key) => queue.submit(key, { verb: 'append' })))
  for (const [i, result] of results.entries()) {
    assert.equal(result.status, names[i] === 'bad' ? 'rejected' : 'fulfilled')
  }
  assert.ok(statements <= 15, `${statements} statements`)
})

test('a key that is held is skipped, asked for again apart from the others, and folds what comes', async () => {
  const locked = { is: true }
  const log: string[] = []
  const waits: number[] = []
  const asked: string[] = []
  const { queue } = backend({
    maxKeys: 200,
    async run({ keys, ops, skipsHeld }) {
      await tick()
      const held = locked.is && keys.includes('held')
      if (held && !skipsHeld) {
        waits.push(keys.length)
        throw new Error('locked')
      }
      if (keys.includes('held')) asked.push(keys.join())
      log.push(...ops.filter((_, i) => !held || keys[i] !== 'held').map((op) => op.text as string))
      return keys.map((key) => (held && key === 'held' ? 'held' : `${key}!`))
    },
  })
  const names = Array.from({ length: 50 }, (_, i) => (i === 20 ? 'held' : `k${i}`))
  const all = names.map((key) => queue.submit(key, { verb: 'append', text: key }))
  const [held] = all.splice(20, 1)
  assert.ok((await Promise.all(all)).every((answer) => answer.endsWith('!')))
  assert.equal(log.length, 49)
  assert.deepEqual(asked, [names.join()], 'the others needed one batch more')
  const next = queue.submit('held', { verb: 'append', text: '+' })
  for (let round = 0; round < 5; round++) {
    await Promise.all(['k1', 'k2', 'k3'].map((key) => queue.submit(key, { verb: 'append', text: 'k' })))
  }
  locked.is = false
  assert.deepEqual(await Promise.all([held, next]), ['held!', 'held!'])
  assert.equal(waits.filter((size) => size > 1).length, 1, 'it held up one batch, once')
  assert.ok(asked.slice(1).every((keys) => keys === 'held'))
  assert.equal(log.at(-1), 'held+')
})

test('keys that cannot be skipped are tried again one by one, behind the others', async () => {
  const locked = new Set(['a', 'd'])
  const { queue } = backend({
    maxKeys: 200,
    async run({ keys }) {
      await tick()
      if (keys.some((key) => locked.has(key))) throw new Error('locked')
      return keys.map((key) => `${key}!`)
    },
  })
  const all = ['a', 'b', 'c', 'd', 'e'].map((key) => queue.submit(key, { verb: 'append' }))
  assert.deepEqual(await Promise.all([all[1], all[2], all[4]]), ['b!', 'c!', 'e!'])
  locked.clear()
  assert.deepEqual(await Promise.all([all[0], all[3]]), ['a!', 'd!'])
})

test('a key that is held up until its time is over fails then, and is free again', async () => {
  const locked = { is: true }
  const time = fakeTime()
  const { queue } = backend({
    time,
    timeoutMs: 50,
    async run({ keys }) {
      await tick()
      if (locked.is) throw new Error('locked')
      return keys
    },
  })
  const late = failure(queue.submit('a', { verb: 'append' }))
  await time.pass(51)
  assert.equal((await late).message, 'late')
  locked.is = false
  const next = queue.submit('a', { verb: 'append' })
  await time.pass(10)
  assert.equal(await next, 'a')
})

test('a key that was held up while its last caller gave up is let go', async () => {
  const time = fakeTime()
  const { queue, sent } = backend({ time, timeoutMs: 50 })
  const late = failure(queue.submit('a', { verb: 'append' }))
  await time.pass(51)
  assert.equal((await late).message, 'late')
  sent[0]?.fail(new Error('locked'))
  await time.pass(10)
  assert.equal(sent.length, 1, 'it is not sent again')
  const next = queue.submit('a', { verb: 'append' })
  await tick()
  sent[1]?.end()
  assert.equal(await next, 'a')
})

test('a batch that fails otherwise fails all its members, and the lane goes on', async () => {
  const { queue, sent } = backend()
  const both = [
    failure(queue.submit('a', { verb: 'append' })),
    failure(queue.submit('b', { verb: 'append' })),
  ]
  await tick()
  sent[0]?.fail(new Error('down'))
  assert.deepEqual(
    (await Promise.all(both)).map((error) => error.message),
    ['down', 'down'],
  )
  const next = queue.submit('a', { verb: 'append' })
  await tick()
  sent[1]?.end()
  assert.equal(await next, 'a')
})

test('a member that is tried again for long, alone, keeps the others of its batch from nothing', async () => {
  const { queue, sent, keys } = backend({ maxKeys: 4 })
  const all = ['a', 'b', 'c', 'd'].map((key) => queue.submit(key, { verb: 'append' }))
  await tick()
  sent[0]?.fail(new Error('member'))
  await tick()
  sent[1]?.fail(new Error('member'))
  await tick()
  // Neither `a` nor `b` has an answer yet.
  assert.deepEqual(keys(), ['abcd', 'ab', 'a', 'b', 'cd'])
  for (const { end } of sent.slice(3)) end()
  await Promise.all(all.slice(1))
  sent[2]?.fail(new Error('member'))
  assert.equal((await failure(all[0] as Promise<string>)).message, 'member')
})

test('a batch is closed when it has exactly its size, also to what weighs nothing', async () => {
  const { queue, sent, keys } = backend()
  const all = Promise.all(
    [60, 40, 0].map((weight, i) => queue.submit('abc'.charAt(i), { verb: 'append', weight })),
  )
  for (let i = 0; i < 2; i++) {
    await tick()
    sent[i]?.end()
  }
  await all
  assert.deepEqual(keys(), ['ab', 'c'])
})
