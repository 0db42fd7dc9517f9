// What the server may say before the driver hears it. No database.

import assert from 'node:assert/strict'
import { Messages } from '../../src/connection/messages.ts'
import { promises } from '../support/promise.ts'

const test = promises('messages')

const int32 = (value: number) => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}
const message = (type: string, ...body: (Buffer | string)[]) => {
  const whole = Buffer.concat(body.map((part) => Buffer.from(part as string)))
  return Buffer.concat([Buffer.from(type), int32(whole.length + 4), whole])
}
const isSound = (...messages: Buffer[]) => new Messages().areSound(Buffer.concat(messages))

const column = Buffer.concat([Buffer.from('sid\0'), Buffer.alloc(18)])
const description = (count: number, ...rest: Buffer[]) =>
  message('T', Buffer.from([0, count]), ...Array(count).fill(column), ...rest)

test('every way to log in that the driver knows passes: password, MD5, SCRAM with channel binding or without', () => {
  for (const request of [
    [int32(0)],
    [int32(3)],
    [int32(5), 'salt'],
    [int32(10), 'SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0'],
    [int32(11), 'r=nonce,s=c2FsdA==,i=4096'],
    [int32(12), 'v=signature'],
  ])
    assert.ok(isSound(message('R', ...request)))
  for (const request of [
    [int32(7)],
    [int32(11), 'r=nonce'],
    ['no'],
    [int32(11), 'r=,s=,i=1'],
    [int32(11), 'r=a,s=b,i=x'],
  ])
    assert.ok(!isSound(message('R', ...request)))
})

test('a row description with a byte too many or too few does not pass, nor one without an end of its names', () => {
  for (const count of [0, 1, 3]) assert.ok(isSound(description(count)))
  assert.ok(!isSound(description(2, Buffer.from([0]))))
  assert.ok(!isSound(message('T', Buffer.from([0, 2]), column)))
  assert.ok(!isSound(message('T', Buffer.from([0, 1]), 'name without end')))
  assert.ok(!isSound(message('T', Buffer.from([0]))))
})

test('a notice, as of a trigger, and changes of settings disturb nothing, and what the store never asks for does not pass', () => {
  for (const type of ['N', 'S', 'A', 'E', 'C', 'D', 'Z', 'K', '1', '2', '3', 't', 'n', 'I', 'v'])
    assert.ok(isSound(message(type, 'SNOTICE\0MIt is only a trigger\0\0'), description(1)))
  for (const type of ['G', 'H', 'W', 'd', 'c', 'V', 'x']) assert.ok(!isSound(message(type, 'copy')))
  assert.ok(!isSound(Buffer.from([0x4e, 0, 0, 0, 3])))
})

test('what has to be looked at whole is refused where it is too long to be kept, and long rows pass in pieces', () => {
  const long = message('T', Buffer.from([0, 1]), 'x'.repeat(100_000), '\0', Buffer.alloc(18))
  assert.ok(!isSound(long))
  assert.ok(!new Messages().areSound(long.subarray(0, 10)), 'before the rest has come')
  const messages = new Messages()
  const rows = Buffer.concat([message('D', Buffer.alloc(300_000, 'T')), description(1), message('Z', 'I')])
  for (let at = 0; at < rows.length; at += 60_000)
    assert.ok(messages.areSound(rows.subarray(at, at + 60_000)))
  assert.ok(!messages.areSound(message('T', 'x')))
})

test('messages are understood also if they come byte by byte', () => {
  const messages = new Messages()
  const all = Buffer.concat([message('R', int32(0)), description(2), message('D', 'Tx'), message('Z', 'I')])
  for (const byte of all) assert.ok(messages.areSound(Buffer.from([byte])))
  const wrong = description(1, Buffer.from([0]))
  const verdicts = [...wrong].map((byte) => messages.areSound(Buffer.from([byte])))
  assert.deepEqual([verdicts.indexOf(false), verdicts.length], [wrong.length - 1, wrong.length])
})
