// Which client is handed out, to whom and when, and when connections that look open are doubted.

import assert from 'node:assert/strict'
import { monotonicMs } from '../../src/clock.ts'
import type { Client } from '../../src/connection/client.ts'
import { Clients } from '../../src/connection/clients.ts'
import { Liveness } from '../../src/connection/liveness.ts'
import { promises } from '../support/promise.ts'

const test = promises('clients')

type Named = Client & { name: string; isReady: boolean; isBusy: boolean }

/** Clients that do nothing. */
function made(...names: string[]) {
  const all = names.map((name) => ({ name, isReady: true, isBusy: false }) as Named)
  const clients = new Clients(all)
  const take = () => (clients.take() as Named | undefined)?.name
  const order: string[] = []
  const wait = (who: string, until = Number.POSITIVE_INFINITY) =>
    clients.wait(until).then((client) => {
      order.push(`${who}: ${(client as Named | undefined)?.name}`)
      return client
    })
  return {
    all,
    clients,
    take,
    wait,
    order,
    by: (name: string) => all.find((each) => each.name === name) as Named,
  }
}

test('the client that was used last comes first, one that was refused comes last, and a busy one after all', () => {
  const { clients, take, by } = made('a', 'b', 'c')
  assert.equal(take(), 'c')
  clients.giveBack(by('c'), false)
  assert.equal((clients.next as Named).name, 'c')
  assert.equal(take(), 'c')
  clients.giveBack(by('c'), true)
  assert.deepEqual([take(), take(), take(), take()], ['b', 'a', 'c', undefined])
  for (const name of ['a', 'b', 'c']) clients.giveBack(by(name), false)
  by('c').isBusy = true
  assert.deepEqual([take(), take(), take()], ['b', 'a', 'c'])
  assert.equal(clients.idle, 0)
})

test('who waits first gets a client first', async () => {
  const { clients, take, wait, order, by } = made('a')
  assert.equal(take(), 'a')
  const both = [wait('first'), wait('second')]
  clients.giveBack(by('a'), false)
  assert.equal(take(), undefined)
  clients.giveBack(by('a'), true)
  await Promise.all(both)
  assert.deepEqual(order, ['first: a', 'second: a'])
})

test('while logins are held back, only who is logged in is handed out, and afterwards one other at a time', async () => {
  const { clients, take, wait, order, by } = made('a', 'b', 'c')
  by('b').isReady = false
  by('c').isReady = false
  const began = monotonicMs()
  clients.holdLogins(200)
  assert.equal((clients.next as Named).name, 'a')
  assert.equal(take(), 'a')
  assert.equal(clients.next, undefined)
  assert.equal(take(), undefined)
  const all = [wait('first'), wait('second'), wait('third')]
  clients.giveBack(by('a'), false)
  const [, second] = await Promise.all([all[0], all[1]])
  assert.ok(monotonicMs() - began >= 199)
  assert.deepEqual(order, ['first: a', 'second: c'])
  // Nobody overtakes who waits, and that one waits for a client, or for the time of another login.
  assert.equal(take(), undefined)
  await all[2]
  assert.ok(monotonicMs() - began >= 398)
  assert.deepEqual(order.slice(2), ['third: b'])
  clients.giveBack(second as Client, true)
  assert.equal(take(), undefined)
  const last = wait('last')
  clients.freeLogins()
  await last
  assert.deepEqual(order.slice(3), ['last: c'])
})

test('who has waited for too long gets no client, and costs nobody the time of a login', async () => {
  const { clients, take, wait, order, by } = made('a')
  by('a').isReady = false
  const began = monotonicMs()
  clients.holdLogins(100)
  assert.equal(take(), undefined)
  const soon = monotonicMs() + 10
  await Promise.all([wait('late', soon), wait('later', soon), wait('in time')])
  assert.deepEqual(order, ['late: undefined', 'later: undefined', 'in time: a'])
  assert.ok(monotonicMs() - began >= 99)
  assert.equal(clients.isHolding, true)
  clients.freeLogins()
  assert.equal(clients.isHolding, false)
})

test('only a login begins another hold, and none does once logins are free', async () => {
  const { clients, take, by } = made('a', 'b', 'c')
  by('a').isReady = false
  by('b').isReady = false
  clients.holdLogins(50)
  await new Promise((resume) => setTimeout(resume, 60))
  assert.deepEqual([take(), take(), take()], ['c', 'b', undefined])
  clients.freeLogins()
  clients.giveBack(by('b'), false)
  assert.deepEqual([take(), take()], ['b', 'a'])
})

test('long after the last refusal a login begins no hold', async () => {
  const { all, by } = made('a', 'b')
  by('a').isReady = false
  by('b').isReady = false
  const clients = new Clients(all, 100)
  clients.holdLogins(50)
  await new Promise((resume) => setTimeout(resume, 110))
  assert.equal(clients.isHolding, false)
  assert.deepEqual([clients.take(), clients.take()], [by('b'), by('a')])
})

test('after a hold who comes does not overtake who waits', async () => {
  const { clients, take, wait, order, by } = made('a', 'b')
  by('a').isReady = false
  by('b').isReady = false
  clients.holdLogins(50)
  assert.equal(take(), undefined)
  const waiting = wait('first')
  const began = monotonicMs()
  while (monotonicMs() - began < 60);
  // The timer has not run yet.
  assert.equal(take(), undefined)
  await waiting
  assert.deepEqual(order, ['first: b'])
})

test('open connections are doubted after two statements without an answer, or one and a login, for twice the timeout', async () => {
  const liveness = new Liveness(50)
  assert.equal(liveness.isDoubtful(true), false)
  liveness.silent()
  assert.deepEqual([liveness.isDoubtful(false), liveness.isDoubtful(true)], [false, true])
  liveness.silent()
  assert.equal(liveness.isDoubtful(false), true)
  liveness.answered()
  assert.equal(liveness.isDoubtful(true), false)
  liveness.silent()
  const began = monotonicMs()
  assert.equal(liveness.isDoubtful(false), false)
  liveness.silent()
  while (liveness.isDoubtful(false)) await new Promise((resume) => setTimeout(resume, 5))
  assert.ok(monotonicMs() - began >= 99)
})
