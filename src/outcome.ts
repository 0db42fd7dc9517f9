// How the outcome of an operation reaches its caller: a callback, exactly once, or a promise; and how `errorLog` is told what
// has no caller. Must not know operations.

import { inBackground } from './clock.ts'

/** `error` is null on success. */
export type Callback<T = void> = (error: any, result?: T) => void

type ErrorLog = (message: string, error: unknown) => void

/** What is under way: a promise, or what starts it and is told both ways to end. */
export type Work<T> = Promise<T> | ((resolve: (result: T) => void, reject: (error: unknown) => void) => void)

/**
 * With a callback: it is called on a fresh tick, outside every `try`, so that what it throws is the app's own exception.
 * Without one: a promise. If nobody listens to it when it fails, as after `req.session.destroy()`, the error goes to
 * `report` instead of ending the process as an unhandled rejection.
 */
export function deliver<T>(
  work: Work<T>,
  callback: Callback<T> | undefined,
  report: (error: unknown) => void,
): Promise<T> | undefined {
  const start = typeof work === 'function' ? work : work.then.bind(work)
  if (typeof callback !== 'function') return Outcome.of(new Promise(start), report)
  start(
    (result) => process.nextTick(callback, null, result),
    (error) => process.nextTick(callback, error),
  )
  return undefined
}

/** A promise that knows whether anybody listens to it. */
class Outcome<T> extends Promise<T> {
  #heard = false

  // What `then` returns is a plain promise, with the usual rules.
  static override get [Symbol.species](): PromiseConstructor {
    return Promise
  }

  static of<T>(work: Promise<T>, report: (error: unknown) => void): Promise<T> {
    const outcome = new Outcome<T>((resolve, reject) => work.then(resolve, reject))
    Promise.prototype.then.call(outcome, undefined, (error) => {
      if (!outcome.#heard) report(error)
    })
    return outcome
  }

  // `await` comes here too, as it takes a subclass for a foreign promise; so do `catch` and `finally`.
  // biome-ignore lint/suspicious/noThenProperty: it is a promise, and this is how it is listened to
  override then<A = T, B = never>(
    onFulfilled?: ((value: T) => A | PromiseLike<A>) | null,
    onRejected?: ((reason: any) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    this.#heard = true
    return super.then(onFulfilled, onRejected)
  }
}

/** Belongs to no request. An `errorLog` that throws or rejects ends nothing. */
export function reporter(errorLog: ErrorLog): ErrorLog {
  // A promise catches both what it throws and what it rejects with.
  const told = (message: string, error: unknown) =>
    new Promise<void>((resolve) => resolve(errorLog(message, error)))
  return (message, error) => void inBackground(() => told(message, error).catch(() => {}))
}
