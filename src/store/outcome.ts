// How the outcome of an operation reaches its caller: by a callback, called exactly once, or by a promise.
// Must not know operations.

// Taken when the module loads: the fake timers of Jest (30.5) replace that of the tests, and no callback
// came.
const { nextTick } = process

/** `error` is null on success. */
export type Callback<T = void> = (error: any, result?: T) => void

/** Work under way: a promise, or a function that starts it and takes a callback for each of its two ends. */
export type Work<T> = Promise<T> | ((resolve: (result: T) => void, reject: (error: unknown) => void) => void)

export function promiseOf<T>(work: Work<T>): Promise<T> {
  return typeof work === 'function' ? new Promise(work) : work
}

/** @param isHeard whether anybody is told of the error */
type OnFailure = (error: unknown, isHeard: boolean) => void

/**
 * With a callback: calls it on a fresh tick, outside every `try`, so that what it throws is the app's own
 * uncaught exception. Without one: returns a promise. An unhandled rejection would end the process, so
 * none comes of it where nobody listens, as after `req.session.destroy()`.
 * @param onFailure gets every error
 */
export function deliver<T>(
  work: Work<T>,
  callback: Callback<T> | undefined,
  onFailure: OnFailure,
): Promise<T> | undefined {
  const start = typeof work === 'function' ? work : work.then.bind(work)
  if (typeof callback !== 'function') return Outcome.of(new Promise(start), onFailure)
  start(
    (result) => nextTick(callback, null, result),
    (error) => {
      nextTick(callback, error)
      onFailure(error, true)
    },
  )
  return undefined
}

/** A promise that knows whether anybody listens to it. */
class Outcome<T> extends Promise<T> {
  #hasListener = false

  // `then` returns a plain promise, for which the usual rules of unhandled rejections hold.
  static override get [Symbol.species](): PromiseConstructor {
    return Promise
  }

  static of<T>(work: Promise<T>, onFailure: OnFailure): Promise<T> {
    const outcome = new Outcome<T>((resolve, reject) => work.then(resolve, reject))
    Promise.prototype.then.call(outcome, undefined, (error) => {
      onFailure(error, outcome.#hasListener)
    })
    return outcome
  }

  // `catch` and `finally` call this method, and so does `await`, as for any subclass of Promise.
  // biome-ignore lint/suspicious/noThenProperty: this is a promise, and `then` is how it is listened to
  override then<A = T, B = never>(
    onFulfilled?: ((value: T) => A | PromiseLike<A>) | null,
    onRejected?: ((reason: any) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    this.#hasListener = true
    return super.then(onFulfilled, onRejected)
  }
}
