// One statement through the driver: which answers count, and by when. No database.

import assert from 'node:assert/strict'
import type { Sql } from 'postgres'
import { monotonicMs } from '../../src/clock.ts'
import { execute, greet, isStatementError, timeLeft, within } from '../../src/connection/query.ts'
import { sharedClient } from '../../src/connection/shared-client.ts'
import { sessFormOf } from '../../src/table/sess-form.ts'
import { failure } from '../support/failure.ts'
import { promises } from '../support/promise.ts'

const test = promises('query')

const TEXT = 25
const VARCHAR = 1043
const INT = 23

/** What the driver resolves with. */
const result = (rows: unknown[], more: object = {}) =>
  Object.assign([...rows], { count: rows.length, command: 'SELECT', columns: [{ type: TEXT }], ...more })

/** A driver that answers so, one after the other. It tells what it was asked. */
function driver(...answers: unknown[]): { sql: Sql<any>; asked: unknown[][] } {
  const asked: unknown[][] = []
  const unsafe = (...args: unknown[]) => {
    asked.push(args)
    const answer = answers.shift()
    return {
      values: async () => {
        if (answer instanceof Error) throw answer
        return answer
      },
    }
  }
  return { sql: { unsafe } as unknown as Sql<any>, asked }
}
const soonEnough = () => monotonicMs() + 5000
const ask = (answer: unknown) => execute(driver(answer).sql, 'select', [], soonEnough())

test('a statement is sent prepared, with a copy of its values', async () => {
  const values = ['a', 'b']
  const { sql, asked } = driver(result([['x']]))
  assert.deepEqual(await execute(sql, 'select', values, soonEnough()), [['x']])
  assert.deepEqual(asked, [['select', ['a', 'b'], { prepare: true }]])
  assert.notEqual(asked[0]![1], values)
})

test('whole answers count: of text, of no columns, of no rows', async () => {
  assert.deepEqual(
    await ask(
      result(
        [
          ['a', null],
          ['b', ''],
        ],
        { columns: [{ type: TEXT }, { type: VARCHAR }] },
      ),
    ),
    [
      ['a', null],
      ['b', ''],
    ],
  )
  assert.deepEqual(await ask(result([])), [])
  // A statement that returns nothing has changed so many rows.
  assert.deepEqual(await ask(result([], { command: 'UPDATE', count: 3, columns: null })), [])
  assert.deepEqual(await ask(result([], { command: 'UPDATE', count: 3, columns: [] })), [])
  assert.deepEqual(await ask(result([], { command: 'CREATE', count: undefined, columns: undefined })), [])
})

test('an answer that is not whole, or not of text, is STORE_MISMATCH', async () => {
  const holes: unknown[] = []
  holes[1] = ['a']
  for (const [what, answer] of Object.entries({
    'no command, as the result has not come yet': result([['a']], { command: null }),
    'a row too few': result([['a']], { count: 2 }),
    'a row too many': result([['a'], ['b']], { count: 1 }),
    'a hole': Object.assign(holes, { count: 2, command: 'SELECT', columns: [{ type: TEXT }] }),
    'a number': result([['1']], { columns: [{ type: TEXT }, { type: INT }] }),
  })) {
    assert.equal((await failure(ask(answer))).code, 'STORE_MISMATCH', what)
  }
})

test('what the driver rejects with is passed on, and the end is told either way', async () => {
  const trouble = new Error('trouble')
  for (const answer of [trouble, result([])]) {
    let ended: Promise<unknown> | undefined
    const asked = execute(driver(answer).sql, 'select', [], soonEnough(), (end) => {
      ended = end
    })
    if (answer === trouble) assert.equal(await failure(asked), trouble)
    else await asked
    await ended
  }
})

test('an answer that does not come in time is STORE_TIMEOUT, one that comes as time ends still counts', async () => {
  const never = { unsafe: () => ({ values: () => new Promise(() => {}) }) } as unknown as Sql<any>
  assert.equal((await failure(execute(never, 'select', [], monotonicMs() + 20))).code, 'STORE_TIMEOUT')
  const { sql } = driver(result([['a']]))
  assert.deepEqual(await execute(sql, 'select', [], monotonicMs() - 1000), [['a']])
})

test('the greeting gives how far the clock of a primary is ahead, and refuses a standby and no clock', async () => {
  const clock = (seconds: string | number, standby: string | null = 'false') => [
    result([[standby, String(seconds)]], { columns: [{ type: TEXT }, { type: TEXT }] }),
  ]
  const ours = monotonicMs()
  const { sql, asked } = driver(...clock((ours + 7000) / 1000))
  const aheadMs = await greet(sql, soonEnough())
  assert.ok(aheadMs <= 7000 && aheadMs > 5000, String(aheadMs))
  assert.match(String(asked[0]?.[0]), /pg_is_in_recovery\(\)::text,\s.*clock_timestamp/s)
  for (const standby of ['true', null]) {
    const refusal = await failure(greet(driver(...clock(1, standby)).sql, soonEnough()))
    assert.equal(refusal.code, '25006')
    assert.match(refusal.message, /is a standby/)
  }
  assert.equal((await failure(greet(driver(...clock('soon')).sql, soonEnough()))).code, 'STORE_MISMATCH')
  assert.equal((await failure(greet(driver(result([])).sql, soonEnough()))).code, '25006')
})

test('the time left is ours in ms, and the server’s in seconds', () => {
  const until = monotonicMs() + 4000
  const { leftMs, latest } = timeLeft(until, 60_000)
  assert.ok(leftMs <= 4000 && leftMs > 3000, String(leftMs))
  assert.equal(latest, String((until + 60_000) / 1000))
})

test('work is waited for until a moment', async () => {
  assert.equal(await within(soonEnough(), Promise.resolve('done')), 'done')
  assert.equal((await failure(within(monotonicMs() + 20, new Promise(() => {})))).code, 'STORE_TIMEOUT')
})

test('an ERROR concerns its statement, but for a standby and a clock, unless a function of the user’s raised it', () => {
  const of = (severity: string | undefined, code: string, more = {}) =>
    isStatementError(Object.assign(new Error('x'), { severity, code, ...more }))
  assert.deepEqual(
    [of('ERROR', '42P01'), of('FATAL', '57P01'), of(undefined, 'ECONNRESET')],
    [true, false, false],
  )
  for (const code of ['25006', '2201E']) {
    assert.equal(of('ERROR', code), false, code)
    const where = 'PL/pgSQL function guard() line 3 at RAISE'
    assert.equal(of('ERROR', code, { where }), true, `${code} of a function`)
  }
})

test('a connection of the app counts as open from its greeting on, and until its server is in doubt', async () => {
  const greeting = () => result([['false', '1']], { columns: [{ type: TEXT }, { type: TEXT }] })
  const lost = Object.assign(new Error('lost'), { code: 'CONNECTION_CLOSED' })
  const refused = Object.assign(new Error('refused'), { code: '42P01', severity: 'ERROR' })
  const { sql } = driver(greeting(), result([['a']]), refused, lost, lost)
  let opened = 0
  const client = sharedClient(sql, () => opened++)
  const query = () => client.query('select', () => [], soonEnough(), soonEnough())
  const seen = async () => {
    await new Promise((resume) => setImmediate(resume))
    return [client.isOpen, client.isReady, client.isShutOut, client.isBusy, opened]
  }
  assert.deepEqual(await seen(), [false, false, false, false, 0])
  assert.deepEqual(await query(), [['a']])
  assert.deepEqual(await seen(), [true, true, false, false, 1])
  assert.equal(await failure(query()), refused)
  assert.deepEqual(await seen(), [true, true, false, false, 1])
  assert.equal(await failure(query()), lost)
  assert.deepEqual(await seen(), [false, false, false, false, 1])
  assert.equal(await failure(query()), lost)
  assert.deepEqual(await seen(), [false, false, true, false, 1], 'not even greeted')
})

test('a connection of the app is sent nothing more by a store that was closed, also if a statement was waiting', async () => {
  let answer = (_: unknown) => {}
  const late = new Promise((resolve) => {
    answer = resolve
  })
  const greeting = () => result([['false', '1']], { columns: [{ type: TEXT }, { type: TEXT }] })
  const { sql, asked } = driver(greeting(), late)
  const client = sharedClient(sql, () => {})
  const query = (until: number) => failure(client.query('select', () => [], until, until))
  assert.equal((await query(monotonicMs() + 20)).code, 'STORE_TIMEOUT')
  assert.deepEqual([client.isBusy, client.isReady], [true, false])
  const waiting = query(soonEnough())
  await client.end()
  answer(result([]))
  assert.equal((await waiting).code, 'STORE_CLOSED')
  assert.equal(asked.length, 2)
  const other = driver(new Promise((resolve) => setTimeout(resolve, 20, greeting())))
  const greeted = sharedClient(other.sql, () => assert.fail('it is of no use any more'))
  const refused = failure(greeted.query('select', () => [], soonEnough(), soonEnough()))
  await new Promise((resume) => setImmediate(resume))
  await greeted.end()
  assert.equal((await refused).code, 'STORE_CLOSED')
  assert.equal(other.asked.length, 1)
})

test('a column `sess` of jsonb or json is JSON, any other is text, which old servers cannot tell from JSON', () => {
  const forms = [
    ['json', '100023'],
    ['jsonb', '180004'],
    ['text', '160000'],
    ['text', '159999'],
    ['varchar', '170000'],
  ]
  assert.deepEqual(
    forms.map((row) => sessFormOf([row])),
    ['json', 'json', 'text', 'old text', 'text'],
  )
  assert.equal(sessFormOf([]), 'old text')
})

test('what is sent is told of before its answer', async () => {
  const told: string[] = []
  await execute(driver(result([])).sql, 'select', [], soonEnough(), () => void told.push('sent')).then(() =>
    told.push('answered'),
  )
  assert.deepEqual(told, ['sent', 'answered'])
})
