// A TCP proxy that misbehaves on command, to stand between the store and the server. Knows nothing of either.

import { EventEmitter } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'

/**
 * `pass` forwards. `hole` stops reading and forwarding on connections that stay open; what was sent
 * meanwhile arrives when it passes again. `late` reads, and forwards when it passes again, also what is
 * from somebody who has gone by then. `shut` closes what it accepts, `silent` answers nothing to it, `cut`
 * resets a connection in the middle of its first answer of some length.
 */
export type Mode = 'pass' | 'hole' | 'late' | 'shut' | 'silent' | 'cut'

export interface Proxy {
  readonly url: string
  /** Connections accepted so far. */
  readonly accepted: number
  /** Where new connections lead to. */
  to(url: string): void
  become(mode: Mode): void
  /** Ends the connections that are open. */
  hangUp(): void
  close(): Promise<void>
}

export async function proxy(url: string): Promise<Proxy> {
  let mode: Mode = 'pass'
  let target = new URL(url)
  let accepted = 0
  const modes = new EventEmitter().setMaxListeners(0)
  const pairs = new Set<readonly [Socket, Socket]>()

  const server: Server = createServer((client) => {
    accepted++
    client.on('error', () => {})
    if (mode === 'shut') return void client.destroy()
    const upstream = connect(Number(target.port), target.hostname)
    const pair = [client, upstream] as const
    pairs.add(pair)
    let held: Buffer[] = []
    const end = () => {
      if (held.length > 0) return
      pairs.delete(pair)
      client.destroy()
      upstream.destroy()
    }
    for (const socket of pair) socket.on('error', () => {}).on('close', end)
    client.on('data', (data: Buffer) => {
      if (mode === 'late') held.push(data)
      else if (mode !== 'silent') upstream.write(data)
    })
    modes.on('pass', () => {
      for (const data of held) upstream.write(data)
      held = []
      if (client.destroyed) upstream.end()
    })
    upstream.on('data', (data) => {
      if (mode === 'silent') return
      // Short ones open the connection.
      if (mode !== 'cut' || data.length < 60) return void client.write(data)
      client.write(data.subarray(0, data.length >> 1), () => client.resetAndDestroy())
    })
    if (mode === 'hole') for (const socket of pair) socket.pause()
  })
  const hangUp = () => {
    for (const socket of [...pairs].flat()) socket.destroy()
  }
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const through = new URL(url)
  through.port = String((server.address() as { port: number }).port)
  return {
    url: through.href,
    get accepted() {
      return accepted
    },
    to(other) {
      target = new URL(other)
    },
    become(next) {
      mode = next
      modes.emit(next)
      for (const socket of [...pairs].flat()) next === 'hole' ? socket.pause() : socket.resume()
    },
    hangUp,
    close: () =>
      new Promise((resolve) => {
        hangUp()
        server.close(() => resolve())
      }),
  }
}
