// Prints results, remarks, colours and progress, and asks questions. Promises that results alone go to the
// standard output, that colours and progress bars appear on a terminal only, and that NO_COLOR is honoured.
// Must not know what is printed.

import { createInterface } from 'node:readline/promises'
import type { Readable, Writable } from 'node:stream'
import { monotonicMs } from '../clock.ts'
import { UsageError } from './usage.ts'

export interface Streams {
  readonly stdin: Readable & { readonly isTTY?: boolean }
  readonly stdout: Writable & { readonly isTTY?: boolean; readonly columns?: number }
  readonly stderr: Writable & { readonly isTTY?: boolean; readonly columns?: number }
  readonly env: NodeJS.ProcessEnv
  /** Aborted by Ctrl-C. */
  readonly stop: AbortSignal
}

const STYLES = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, cyan: 36 } as const
export type Style = keyof typeof STYLES

// How often progress is told where there is no terminal.
const REMARK_EVERY_MS = 10_000

export class Screen {
  readonly #streams: Streams
  readonly #interruption = new AbortController()
  readonly #remarkEveryMs: number
  #hasProgress = false
  #isAsking = false
  #isEnding = false
  #remarkedAt = monotonicMs()
  /** What to know if the command is interrupted at this point. */
  caveat = ''
  /** What was done for good, to know if the command fails at this point. */
  achieved = ''

  constructor(streams: Streams, remarkEveryMs: number = REMARK_EVERY_MS) {
    this.#streams = streams
    this.#remarkEveryMs = remarkEveryMs
    const { stop } = streams
    if (stop.aborted) this.#interrupt()
    stop.addEventListener('abort', () => this.#interrupt())
  }

  /** Aborted by Ctrl-C. */
  get stop(): AbortSignal {
    return this.#streams.stop
  }

  /**
   * Aborted by Ctrl-C, unless the work that is under way is let end. The command may still go on then, so
   * nothing more is to be sent, and what it prints is left out.
   */
  get interruption(): AbortSignal {
    return this.#interruption.signal
  }

  #interrupt(): void {
    if (this.#isAsking) this.remark('')
    if (this.#isEnding) {
      this.endProgress()
      this.remark('It ends after what is under way. Ctrl-C again ends it at once.')
    } else this.#interruption.abort()
  }

  /** Does work that ends by itself, soon after Ctrl-C, because it looks at `stop`. */
  async letEnd<T>(work: () => Promise<T>): Promise<T> {
    this.interruption.throwIfAborted()
    this.#isEnding = true
    try {
      return await work()
    } finally {
      this.#isEnding = false
    }
  }

  /** How many characters fit in a line of the output. A terminal without a size says 0. */
  get width(): number {
    return Math.max(40, Math.min(this.#streams.stdout.columns || 80, 100))
  }

  /** A line of the result. */
  line(text = ''): void {
    if (!this.interruption.aborted) this.#streams.stdout.write(`${text}\n`)
  }

  /** The result as one document. */
  json(value: unknown): void {
    this.line(JSON.stringify(value, null, 2))
  }

  /** A line that is not part of the result. */
  remark(text: string): void {
    if (!this.interruption.aborted) this.#streams.stderr.write(`${text}\n`)
  }

  /** After it nothing is printed but `sayUncancelled`. */
  sayInterrupted(): void {
    this.endProgress()
    this.#streams.stderr.write(`Interrupted. ${this.caveat}`.trimEnd().concat('\n'))
  }

  sayUncancelled(reason: string): void {
    const text = 'The statement under way could not be cancelled, and the server may still carry it out'
    this.#streams.stderr.write(`${text} (${reason}).\n`)
  }

  paint(style: Style, text: string): string {
    const { stdout, env } = this.#streams
    const isPlain = !stdout.isTTY || Boolean(env['NO_COLOR']) || env['TERM'] === 'dumb'
    return isPlain ? text : `\u001b[${STYLES[style]}m${text}\u001b[0m`
  }

  /** Overwrites the last progress on a terminal. Elsewhere it is a remark, now and then. */
  progress(text: string): void {
    const { stderr } = this.#streams
    if (this.interruption.aborted) return
    if (stderr.isTTY) {
      this.#hasProgress = true
      stderr.write(`\r\u001b[2K${text.slice(0, (stderr.columns || 80) - 1)}`)
    } else if (monotonicMs() - this.#remarkedAt >= this.#remarkEveryMs) {
      this.#remarkedAt = monotonicMs()
      this.remark(text)
    }
  }

  endProgress(): void {
    if (this.#hasProgress) this.#streams.stderr.write('\r\u001b[2K')
    this.#hasProgress = false
  }

  /**
   * Whether the user says yes.
   * @param isAgreed whether `--yes` was given, so that nobody is asked
   * @throws UsageError if there is nobody to ask
   */
  async confirm(question: string, isAgreed: boolean): Promise<boolean> {
    if (isAgreed) return true
    this.checkAskable()
    const { stdin, stderr, stop } = this.#streams
    // Not as a terminal: it would take Ctrl-C for itself.
    const lines = createInterface({ input: stdin, output: stderr, terminal: false })
    // Ctrl-D ends the input without an answer.
    const ended = new Promise<never>((_, reject) => lines.once('close', reject))
    this.#isAsking = true
    try {
      const answer = await Promise.race([lines.question(`${question} [y/N] `, { signal: stop }), ended])
      return /^y(es)?$/i.test(answer.trim())
    } catch {
      this.remark('')
      return false
    } finally {
      this.#isAsking = false
      lines.close()
    }
  }

  /** @throws UsageError if there is nobody to ask */
  checkAskable(): void {
    const { stdin, stderr } = this.#streams
    if (!stdin.isTTY || !stderr.isTTY) throw new UsageError('There is no terminal to ask on: pass --yes')
  }
}

/** Breaks a text into lines of at most `width` characters, between words. */
export function wrapped(text: string, width: number): string[] {
  const lines: string[] = []
  for (const word of text.split(/\s+/)) {
    const last = lines.at(-1)
    if (last !== undefined && last.length + 1 + word.length <= width)
      lines[lines.length - 1] = `${last} ${word}`
    else lines.push(word)
  }
  return lines
}

/** Text by others, without what a terminal would obey or that turns the direction of writing. */
export function printable(text: string): string {
  return text.replaceAll(
    /[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/gu,
    (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`,
  )
}

/** As 1,234,567. */
export function number(value: number): string {
  return Math.round(value).toLocaleString('en-US')
}
