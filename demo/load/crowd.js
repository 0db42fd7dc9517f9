// Users who all ask at once, each again as soon as it has its answer, over a connection of its own. Speaks as
// little HTTP as will do: a client that is as busy as the service would be what is measured.

import { connect } from 'node:net'

/** A pause of a user whose request failed. */
const PAUSE_MS = 20

export class Crowd {
  answered = 0
  failed = 0
  /** Of the answers so far. */
  latencies = []
  #sockets = new Set()
  #requests
  #port
  #going = false
  #idle = []

  /** @param {string} url @param {string[]} cookies one for each user */
  constructor(url, cookies) {
    const { port, host } = new URL(url)
    this.#port = Number(port)
    this.#requests = cookies.map((cookie) => `GET /me HTTP/1.1\r\nhost: ${host}\r\ncookie: ${cookie}\r\n\r\n`)
  }

  start() {
    this.#going = true
    this.#idle = this.#requests.map((request) => this.#user(request))
  }

  /** Lets everybody get the answer that is under way. */
  async stop() {
    this.#going = false
    await Promise.all(this.#idle)
    for (const socket of this.#sockets) socket.destroy()
  }

  async #user(request) {
    let socket
    while (this.#going) {
      socket = socket?.writable ? socket : this.#connect()
      const began = performance.now()
      const isGood = await ask(socket, request)
      const took = performance.now() - began
      if (isGood) {
        this.answered++
        this.latencies.push(took)
      } else {
        this.failed++
        await new Promise((resume) => setTimeout(resume, PAUSE_MS))
      }
    }
  }

  #connect() {
    const socket = connect(this.#port, '127.0.0.1')
      .setNoDelay(true)
      .on('error', () => {})
    this.#sockets.add(socket.on('close', () => this.#sockets.delete(socket)))
    return socket
  }
}

/** Whether the answer is 200, and for a user who is logged in. */
function ask(socket, request) {
  return new Promise((resolve) => {
    let text = ''
    const done = (isGood) => {
      socket.off('data', hear).off('close', lost)
      resolve(isGood)
    }
    const lost = () => done(false)
    const hear = (data) => {
      text += data.latin1Slice()
      const headersEnd = text.indexOf('\r\n\r\n')
      if (headersEnd < 0) return
      const [, length] = /\r\ncontent-length: (\d+)/i.exec(text) ?? []
      if (text.length >= headersEnd + 4 + Number(length)) {
        done(text.startsWith('HTTP/1.1 200 ') && text.includes('"user":', headersEnd))
      }
    }
    socket.on('data', hear).on('close', lost)
    socket.write(request)
  })
}
