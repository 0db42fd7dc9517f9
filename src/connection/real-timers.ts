// Lets the driver run with the real timers. It uses the global ones, which a test may have replaced by fakes
// that stand still. Promises that nobody else sees the change. Must not know what the driver does.

import type { Socket } from 'node:net'
import type { Sql } from 'postgres'
import { realTimers } from '../clock.ts'

const TIMERS = Object.keys(realTimers) as (keyof typeof realTimers)[]

/** Whether the global timers are the real ones. Without a loop, as it is asked at every event of a socket. */
function areTimersReal(): boolean {
  return (
    globalThis.setTimeout === realTimers.setTimeout &&
    globalThis.setImmediate === realTimers.setImmediate &&
    globalThis.clearTimeout === realTimers.clearTimeout &&
    globalThis.clearImmediate === realTimers.clearImmediate
  )
}

/**
 * Runs the work with the real timers as the global ones, for the driver, which uses those: a fake
 * `setImmediate` would keep what it writes.
 * @param work must be synchronous, so that nobody else sees the change
 */
function withRealTimers<T>(work: () => T): T {
  const before = TIMERS.map((name) => [name, globalThis[name]] as const)
  for (const name of TIMERS) Reflect.set(globalThis, name, realTimers[name])
  try {
    return work()
  } finally {
    for (const [name, timer] of before) Reflect.set(globalThis, name, timer)
  }
}

/**
 * Lets `clearImmediate` pass over fakes until `withRealTimers` puts back what was there. The real one breaks
 * all immediates of the process when it is given a fake (Node 20.20), and the driver (3.4.9) may have kept one
 * from the time of a test's fakes.
 */
function spareFakeImmediates(): void {
  // `Reflect.set` does not throw where globals are frozen; then they are no fakes either.
  Reflect.set(globalThis, 'clearImmediate', (immediate: NodeJS.Immediate | undefined) => {
    if (immediate?.constructor?.name === 'Immediate') realTimers.clearImmediate(immediate)
  })
}

/**
 * The driver (3.4.9) works in the listeners of its socket, with the global timers, which a test may have
 * replaced.
 */
export function withRealTimersInListeners(socket: Socket): Socket {
  const emit = socket.emit as (...args: unknown[]) => boolean
  socket.emit = function (this: Socket, ...args: unknown[]) {
    const isClose = args[0] === 'close'
    if (!isClose && areTimersReal()) return emit.apply(this, args)
    return withRealTimers(() => {
      if (isClose) spareFakeImmediates()
      return emit.apply(this, args)
    })
  }
  return socket
}

/**
 * Lets each query see the real timers when it starts. The driver (3.4.9) opens connections by the global
 * `setTimeout` and writes by the global `setImmediate`, which never fire while a test has replaced them by
 * fakes.
 */
export function startedByRealTimers(sql: Sql): Sql {
  const { unsafe } = sql
  sql.unsafe = ((...args: [string]) => {
    // It starts in the next microtask. Touched only where it must be: a query of another shape is slower.
    if (areTimersReal()) return unsafe(...args)
    const query = unsafe(...args) as ReturnType<typeof unsafe> & { handler: (started: unknown) => void }
    const { handler } = query
    query.handler = (started) => withRealTimers(() => handler(started))
    return query
  }) as typeof unsafe
  return sql
}
