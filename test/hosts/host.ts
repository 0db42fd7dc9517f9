// A host as a process, and its users. Knows nothing of the host but the four routes that each has: POST
// /login, GET /me, POST /put, POST /logout.

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import type { Options } from '../../src/index.ts'

export class Host {
  readonly #child: ChildProcess
  #ports: Record<string, number> = {}
  #output = ''

  /** @param ways options of the store, by the name of the way that a user takes */
  static async start(folder: string, name: string, ways: Record<string, Options>): Promise<Host> {
    const host = new Host(folder, name, ways)
    host.#ports = (await host.#message()).ports
    return host
  }

  private constructor(folder: string, name: string, ways: Record<string, Options>) {
    this.#child = fork(`${folder}/main.js`, [name, JSON.stringify(ways)], {
      cwd: folder,
      // Not the loader of the tests.
      execArgv: [],
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    })
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.on('data', (text) => {
        this.#output += text
      })
    }
  }

  async #message(): Promise<any> {
    const stop = new AbortController()
    const { signal } = stop
    try {
      return await Promise.race([
        once(this.#child, 'message', { signal }).then(([message]) => message),
        once(this.#child, 'exit', { signal }).then(() => {
          throw new Error(`the host ended:\n${this.#output}`)
        }),
      ])
    } finally {
      stop.abort()
    }
  }

  url(way: string): string {
    return `http://127.0.0.1:${this.#ports[way]}`
  }

  /** Begins a request that loads its session, and then waits. @returns what lets it go on, to its end */
  async begin(user: User, path: string): Promise<() => Promise<Answer>> {
    const answer = user.post(this, `${path}&slow=1`)
    const early = answer.then(({ status }) => {
      throw new Error(`the slow request ended at once, with ${status}`)
    })
    // It ends later.
    early.catch(() => {})
    const { slow } = await Promise.race([this.#message(), early])
    return () => {
      this.#child.send({ goOn: slow })
      return answer
    }
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null) return
    const exit = once(this.#child, 'exit')
    this.#child.disconnect()
    const late = setTimeout(() => this.#child.kill('SIGKILL'), 20_000)
    const [code] = await exit
    clearTimeout(late)
    if (code !== 0) throw new Error(`the host ended with ${code}:\n${this.#output}`)
  }
}

export interface Answer {
  readonly status: number
  readonly body: any
}

/** A browser that keeps its cookies, and takes one way through every host. */
export class User {
  readonly #way: string
  readonly #hasToken: boolean
  readonly #jar = new Map<string, string>()

  /** @param hasToken whether what changes something needs a token against forgery */
  constructor(way: string, hasToken = false) {
    this.#way = way
    this.#hasToken = hasToken
  }

  get cookies(): string {
    return [...this.#jar].map(([name, value]) => `${name}=${value}`).join('; ')
  }

  /** Another with the same cookies, for the same way or another. */
  copy(way = this.#way): User {
    const copy = new User(way, this.#hasToken)
    for (const [name, value] of this.#jar) copy.#jar.set(name, value)
    return copy
  }

  get(host: Host, path: string): Promise<Answer> {
    return this.#ask(host, path, { method: 'GET' })
  }

  async post(host: Host, path: string): Promise<Answer> {
    const token = this.#hasToken ? (await this.get(host, '/token')).body.token : undefined
    return this.#ask(host, path, { method: 'POST', headers: token && { 'x-csrf-token': token } })
  }

  async #ask(host: Host, path: string, { headers, ...init }: RequestInit): Promise<Answer> {
    const response = await fetch(host.url(this.#way) + path, {
      ...init,
      headers: { ...headers, connection: 'close', cookie: this.cookies },
    })
    for (const cookie of response.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(cookie) as unknown as [string, string, string]
      this.#jar.set(name, value)
    }
    const text = await response.text()
    return { status: response.status, body: text ? JSON.parse(text) : undefined }
  }
}
