// Runs the command line in this process, as a shell would in another: arguments in, output and exit code out.
// Knows nothing of the commands.

import { PassThrough, Writable } from 'node:stream'
import { main } from '../../src/cli/main.ts'
import type { Streams } from '../../src/cli/screen.ts'

export interface Ran {
  readonly code: number
  readonly out: string
  readonly err: string
  /** The document on the standard output. */
  readonly json: any
}

interface Around {
  /** What is typed on a terminal. Without it there is no terminal. */
  typed?: string
  env?: NodeJS.ProcessEnv
  stop?: AbortSignal
}

export async function cli(args: readonly string[], { typed, env = {}, stop }: Around = {}): Promise<Ran> {
  const isTTY = typed !== undefined
  const stdin = Object.assign(new PassThrough(), { isTTY })
  if (isTTY) stdin.end(typed)
  const stdout = new Sink(isTTY)
  const stderr = new Sink(isTTY)
  const streams = { stdin, stdout, stderr, env, stop: stop ?? new AbortController().signal }
  const code = await main(args, streams as Streams)
  const { text: out } = stdout
  return {
    code,
    out,
    err: stderr.text,
    get json() {
      return JSON.parse(out)
    },
  }
}

class Sink extends Writable {
  readonly columns = 80
  readonly isTTY: boolean
  text = ''

  constructor(isTTY: boolean) {
    super()
    this.isTTY = isTTY
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk
    done()
  }
}
