// A server that speaks just enough of PostgreSQL's protocol for the store, keeps its rows in a Map, and
// misbehaves as it is told: garbage, messages cut off, left out or doubled, rows of somebody else, a
// connection that ends at any byte. Given a certificate it does all that inside of TLS, and misbehaves beside
// it.

import type { Socket } from 'node:net'
import { names } from '../../src/table/names.ts'
import type { ParameterName, Statement } from '../../src/table/sql.ts'
import { statements } from '../../src/table/statements.ts'
import type { Certificate } from '../support/certificate.ts'
import { port } from '../support/port.ts'
import { encryption } from './encryption.ts'

/** What goes wrong, once the server has sent so many bytes or messages; then it behaves again. */
export type Fault =
  | { kind: 'end' | 'reset' | 'silence'; afterBytes: number }
  | { kind: 'garbage'; afterMessages: number; bytes: Uint8Array }
  | { kind: 'drop' | 'double' | 'head' | 'swap'; afterMessages: number }
  // As of a pooler, which says the severity once.
  | { kind: 'error'; afterMessages: number; severity: string; code: string; isOfPooler?: boolean }
  // Where there is TLS: in the clear, beside what is encrypted; as answer to the wish for it.
  | { kind: 'beside'; afterMessages: number; bytes: Uint8Array }
  | { kind: 'greeting'; bytes: Uint8Array }

export interface Fake {
  readonly url: string
  /** By sid. */
  readonly rows: Map<string, { sess: string; expire: string }>
  /** How often it was, since. */
  misbehave(fault: Fault): { readonly times: number }
  close(): Promise<void>
}

interface Message {
  readonly type: string
  readonly body: Buffer
}

const { skipping, ofUser, ...others } = statements(names('session', undefined))
const known: Statement[] = [
  ...Object.values(others),
  ...Object.values(skipping),
  ofUser(['passport', 'user'], 'json'),
]

/** The first statement on each connection. */
const isGreeting = (query: string) => /pg_is_in_recovery\(\)::text/.test(query)

const int16 = (value: number) => Buffer.from([value >> 8, value & 255])
const int32 = (value: number) => {
  const buffer = Buffer.alloc(4)
  buffer.writeInt32BE(value)
  return buffer
}
const text = (value: string) => Buffer.from(`${value}\0`)
const message = (type: string, ...parts: Buffer[]): Message => ({ type, body: Buffer.concat(parts) })
const bytesOf = ({ type, body }: Message) => Buffer.concat([Buffer.from(type), int32(body.length + 4), body])

const ready = message('Z', Buffer.from('I'))
const opened = [
  message('R', int32(0)),
  message('S', text('server_version'), text('18.0')),
  message('K', int32(1), int32(2)),
  ready,
]
const description = (columns: number) =>
  message(
    'T',
    int16(columns),
    ...Array.from({ length: columns }, () =>
      Buffer.concat([text('text'), int32(0), int16(0), int32(25), int16(-1 & 0xffff), int32(-1), int16(0)]),
    ),
  )
const row = (columns: string[]) =>
  message(
    'D',
    int16(columns.length),
    ...columns.flatMap((column) => [int32(Buffer.byteLength(column)), Buffer.from(column)]),
  )
const failure = (severity: string, code: string, isOfPooler = false) =>
  message(
    'E',
    ...[`S${severity}`, ...(isOfPooler ? [] : [`V${severity}`]), `C${code}`, 'Mit is only a test'].map(text),
    Buffer.from([0]),
  )

export async function fake(certificate?: Certificate): Promise<Fake> {
  const rows: Fake['rows'] = new Map()
  let fault: Fault | undefined
  let seen = { times: 0 }
  let sent = { bytes: 0, messages: 0 }
  /** The last row of somebody else. */
  let other = row(['somebody-else', '{"user":"somebody-else","cookie":{}}', '9999999999'])

  /** @param raw what carries the socket, if it is encrypted */
  const send = (socket: Socket, given: Message, raw = socket) => {
    let bytes: Buffer = bytesOf(given)
    if (fault?.kind === 'beside' && sent.messages >= fault.afterMessages) {
      raw.write(fault.bytes)
      fault = undefined
      seen.times++
    } else if (
      fault &&
      fault.kind !== 'beside' &&
      'afterMessages' in fault &&
      sent.messages >= fault.afterMessages
    ) {
      // A row can only be swapped for another where there is one.
      if (fault.kind !== 'swap' || given.type === 'D') {
        bytes = wrong(fault, given, bytes, other)
        fault = undefined
        seen.times++
      }
    }
    if (given.type === 'D') other = given
    sent.messages++
    if (fault && 'afterBytes' in fault && sent.bytes + bytes.length > fault.afterBytes) {
      socket.write(bytes.subarray(0, Math.max(0, fault.afterBytes - sent.bytes)))
      const { kind } = fault
      fault = undefined
      seen.times++
      if (kind === 'end') socket.end()
      else if (kind === 'reset') raw.resetAndDestroy()
      // Of this connection only: nothing more is read.
      socket.removeAllListeners('data').pause()
    } else {
      socket.write(bytes)
      sent.bytes += bytes.length
    }
  }

  const serve = (socket: Socket, raw = socket) =>
    new Session(rows, (given) => send(socket, given, raw)).listen(socket)
  const encrypt =
    certificate &&
    encryption(certificate, () => {
      if (fault?.kind !== 'greeting') return Buffer.from('S')
      const { bytes } = fault
      fault = undefined
      seen.times++
      return bytes
    })
  const listening = await port((socket) =>
    encrypt ? encrypt(socket, (secure) => serve(secure, socket)) : serve(socket),
  )
  return {
    url: `postgres://user:secret@127.0.0.1:${listening.number}/fake`,
    rows,
    misbehave(next) {
      fault = next
      sent = { bytes: 0, messages: 0 }
      seen = { times: 0 }
      return seen
    },
    close: () => listening.close(),
  }
}

function wrong(
  fault: Exclude<Extract<Fault, { afterMessages: number }>, { kind: 'beside' }>,
  given: Message,
  bytes: Buffer,
  other: Message,
): Buffer {
  switch (fault.kind) {
    case 'garbage':
      return Buffer.concat([fault.bytes, bytes])
    case 'drop':
      return Buffer.alloc(0)
    case 'double':
      return Buffer.concat([bytes, bytes])
    case 'head':
      // The length says less than there is.
      return Buffer.concat([bytes.subarray(0, 1), int32(4 + (given.body.length >> 1)), given.body])
    case 'swap':
      return bytesOf(other)
    case 'error':
      return Buffer.concat([bytesOf(failure(fault.severity, fault.code, fault.isOfPooler)), bytes])
  }
}

/** One connection. */
class Session {
  readonly #rows: Fake['rows']
  readonly #send: (message: Message) => void
  readonly #statements = new Map<string, string>()
  #bound: { text: string; values: string[] } = { text: '', values: [] }

  constructor(rows: Fake['rows'], send: (message: Message) => void) {
    this.#rows = rows
    this.#send = send
  }

  listen(socket: Socket): void {
    let pending = Buffer.alloc(0)
    let started = false
    socket.setNoDelay()
    socket.on('data', (data) => {
      pending = Buffer.concat([pending, data])
      for (;;) {
        const head = started ? 1 : 0
        if (pending.length < head + 4) return
        const end = head + pending.readInt32BE(head)
        if (pending.length < end) return
        const body = pending.subarray(head + 4, end)
        if (started) this.#hear(String.fromCharCode(pending[0] as number), body, socket)
        else for (const each of opened) this.#send(each)
        started = true
        pending = pending.subarray(end)
      }
    })
  }

  #hear(type: string, body: Buffer, socket: Socket): void {
    if (type === 'X') socket.end()
    else if (type === 'Q') {
      const { columns, found, tag } = this.#execute(body.toString().slice(0, -1), [])
      for (const each of [description(columns), ...found.map(row), message('C', text(tag)), ready])
        this.#send(each)
    } else if (type === 'P') {
      const [name, query] = body.toString().split('\0') as [string, string]
      this.#statements.set(name, query)
      this.#send(message('1'))
    } else if (type === 'D') {
      const query = this.#statements.get(body.toString('utf8', 1).slice(0, -1)) as string
      const count = new Set(query.match(/\$\d/g)).size
      this.#send(message('t', int16(count), ...Array.from({ length: count }, () => int32(25))))
      this.#send(description(this.#columns(query)))
    } else if (type === 'B') {
      this.#bound = bound(body, this.#statements)
      this.#send(message('2'))
    } else if (type === 'E') {
      const { found, tag } = this.#execute(this.#bound.text, this.#bound.values)
      for (const each of found) this.#send(row(each))
      this.#send(message('C', text(tag)))
    } else if (type === 'S') this.#send(ready)
  }

  #columns(query: string): number {
    return /select s\.sid, s\.sess/.test(query) ? 3 : isGreeting(query) ? 2 : 1
  }

  #execute(query: string, values: string[]) {
    const parameters = known.find(({ text }) => text === query)?.parameters ?? []
    const list = (name: ParameterName) =>
      values[parameters.indexOf(name)]?.split(values[parameters.indexOf('separator')] as string) ?? []
    const [sids, expires, texts] = [list('sids'), list('expiries'), list('texts')]
    const found: string[][] = []
    if (isGreeting(query)) found.push(['false', String(Date.now() / 1000)])
    else if (!/^\/\*.*\*\/\s*(insert|select|with)/.test(query)) throw new Error(`not expected: ${query}`)
    else {
      for (const [i, sid] of sids.entries()) {
        const known = this.#rows.get(sid)
        const expire = expires[i] as string
        if (/\*\/\s*select/.test(query)) {
          if (known) found.push([sid, known.sess, known.expire])
          continue
        }
        if (/\*\/\s*insert/.test(query)) this.#rows.set(sid, { sess: texts[i] as string, expire })
        else if (!known) continue
        else if (/delete from/.test(query)) this.#rows.delete(sid)
        else if (/set sess/.test(query)) this.#rows.set(sid, { sess: texts[i] as string, expire })
        else known.expire = expire
        found.push([sid])
      }
    }
    return { columns: this.#columns(query), found, tag: `SELECT ${found.length}` }
  }
}

function bound(body: Buffer, statements: Map<string, string>): { text: string; values: string[] } {
  const portalEnd = body.indexOf(0)
  const nameEnd = body.indexOf(0, portalEnd + 1)
  const name = body.toString('utf8', portalEnd + 1, nameEnd)
  let at = nameEnd + 1
  at += 2 + 2 * body.readInt16BE(at)
  const values: string[] = []
  const count = body.readInt16BE(at)
  at += 2
  for (let i = 0; i < count; i++) {
    const length = body.readInt32BE(at)
    values.push(body.toString('utf8', at + 4, at + 4 + length))
    at += 4 + length
  }
  return { text: statements.get(name) as string, values }
}
