// Which bytes of a server the driver gets to see. No database.

import assert from 'node:assert/strict'
import { Messages } from '../../src/connection/messages.ts'
import { promises } from '../support/promise.ts'

const test = promises('messages')

/** A message: its type, and the length that it says, if not that of its body. */
const message = (type: string, body: Buffer | string = '', length = Buffer.byteLength(body) + 4) => {
  const head = Buffer.alloc(5)
  head.write(type, 'latin1')
  head.writeUInt32BE(length, 1)
  return Buffer.concat([head, Buffer.from(body)])
}

const bytes = (...values: number[]) => Buffer.from(values)
const request = (step: number, rest: Buffer | string = '') =>
  message('R', Buffer.concat([bytes(0, 0, 0, step), Buffer.from(rest)]))

/** A row description: for each column a name, a zero byte, and 18 bytes. */
const columns = (names: string[], count = names.length, more = '') =>
  message(
    'T',
    Buffer.concat([
      bytes(count >> 8, count & 255),
      ...names.map((name) => Buffer.concat([Buffer.from(`${name}\0`), Buffer.alloc(18)])),
      Buffer.from(more),
    ]),
  )

const allSound = (chunks: Buffer[]) => {
  const messages = new Messages()
  return chunks.every((chunk) => messages.areSound(chunk))
}
const areSound = (...chunks: Buffer[]) => allSound(chunks)

/** The bytes in pieces of this size. */
const inPieces = (data: Buffer, size: number) =>
  Array.from({ length: Math.ceil(data.length / size) }, (_, i) => data.subarray(i * size, (i + 1) * size))

const login = [
  request(10, 'SCRAM-SHA-256\0\0'),
  request(11, 'r=abc,s=def,i=4096'),
  request(12, 'v=xyz'),
  request(0),
  message('S', 'TimeZone\0UTC\0'),
  message('K', bytes(0, 0, 0, 1, 0, 0, 0, 2)),
  message('Z', 'I'),
]
const answer = [
  message('1'),
  message('t', bytes(0, 0)),
  columns(['sid', 'sess']),
  message('2'),
  message('D', 'x'.repeat(200_000)),
  message('C', 'SELECT 1\0'),
  message('N', 'a notice'),
  message('A', 'a notification'),
  message('E', 'an error'),
  message('I'),
  message('n'),
  message('3'),
  message('v', bytes(0, 3, 0, 0)),
  message('Z', 'I'),
]

test('what a server says is let through, however it is cut into pieces', () => {
  const all = Buffer.concat([...login, ...answer])
  for (const size of [1, 2, 3, 5, 7, 1000, 1001, all.length]) {
    assert.ok(allSound(inPieces(all, size)), `in pieces of ${size} bytes`)
  }
  assert.ok(areSound(...login, ...answer), 'message by message')
})

test('a type that the store has no use for is found, and that behind any other message', () => {
  for (const type of ['G', 'H', 'W', 'c', 'd', 's', 'V', 'x', '\0', '\xff']) {
    assert.ok(!areSound(message(type, 'body')), type)
    assert.ok(!areSound(...answer, message(type, 'body')), type)
    assert.ok(!areSound(Buffer.concat([message('Z', 'I'), message(type, 'body')])), type)
  }
  assert.ok(!areSound(message('D', 'x'.repeat(10)), message('H')), 'behind one that was skipped')
})

test('a message that says it is shorter than its own length is found', () => {
  for (const length of [0, 1, 3]) {
    for (const body of ['', 'body']) assert.ok(!areSound(message('D', body, length)), `${length} ${body}`)
  }
  assert.ok(areSound(message('D', '', 4)))
})

test('the rest of a long message is no message of its own', () => {
  const long = message('D', 'G'.repeat(1000))
  assert.ok(areSound(long.subarray(0, 500), long.subarray(500), message('Z', 'I')))
  assert.ok(!areSound(long.subarray(0, 500), long.subarray(500), message('G')))
  assert.ok(areSound(long.subarray(0, 100), long.subarray(100, 300), long.subarray(300), message('Z', 'I')))
})

test('a message that is checked as a whole is at most 100,000 bytes long', () => {
  const ofLength = (length: number) => columns(['x'.repeat(length - 1 - 4 - 2 - 19)])
  assert.equal(ofLength(100_000).length, 100_000)
  assert.ok(areSound(ofLength(100_000)))
  assert.ok(!areSound(ofLength(100_001)))
  // By the length that it says, before its bytes have come, wherever it stands.
  const huge = message('T', '', 100_000)
  assert.ok(!areSound(huge))
  assert.ok(!areSound(Buffer.concat([message('Z', 'I'), huge])))
  const behind = Buffer.concat([message('D', 'x'.repeat(60_000)), ofLength(60_000)])
  assert.ok(areSound(behind), 'counted from its own start')
})

test('a request for a password is one that the driver knows', () => {
  for (const step of [0, 3, 5, 10, 12]) assert.ok(areSound(request(step)), String(step))
  for (const step of [1, 2, 4, 6, 7, 8, 9, 13, 255]) assert.ok(!areSound(request(step)), String(step))
  for (const short of ['', '\0', '\0\0\0']) assert.ok(!areSound(message('R', short)))
  assert.ok(!areSound(message('R', bytes(1, 0, 0, 0))))
})

test('the second step of SCRAM has its three values, in their form', () => {
  for (const sound of ['r=a,s=b,i=1', 'r=abc,s=def,i=1234567', 'r=\xe9,s=b,i=4096']) {
    assert.ok(areSound(request(11, Buffer.from(sound, 'latin1'))), sound)
  }
  for (const wrong of [
    ...['', 'r=a,s=b', 'r=a,s=b,i=', 'r=a,s=b,i=12345678', 'r=a,s=b,i=x', 'r=a,s=b,i=1x'],
    // The driver would throw what nobody catches.
    ...['r=a,s=b,i=0', 'r=a,s=b,i=0000000'],
    ...['r=,s=b,i=1', 'r=a,s=,i=1', 'xr=a,s=b,i=1', 's=b,r=a,i=1'],
  ]) {
    assert.ok(!areSound(request(11, wrong)), wrong)
  }
})

test('a row description has as many columns as it says, and nothing behind them', () => {
  for (const names of [[], [''], ['sid'], ['a', 'b', 'c'], Array(300).fill('x')]) {
    assert.ok(areSound(columns(names)), String(names.length))
    assert.ok(!areSound(columns(names, names.length + 1)), 'one too few')
    assert.ok(!areSound(columns(names, names.length, '\0')), 'a byte behind them')
  }
  assert.ok(!areSound(columns(['a', 'b'], 1)), 'one too many')
  for (const short of ['', '\0', '\0\u0001', '\0\u0001name without an end', `\0\u0001${'x'.repeat(16)}`]) {
    assert.ok(!areSound(message('T', short)))
  }
  const cut = columns(['sid'])
  assert.ok(!areSound(message('T', cut.subarray(5, -1))), 'the last column is cut')
})

test('a message that waits for its rest is checked when that has come', () => {
  const wrong = columns(['sid'], 2)
  const messages = new Messages()
  assert.ok(messages.areSound(wrong.subarray(0, -1)))
  assert.ok(!messages.areSound(wrong.subarray(-1)))
})
