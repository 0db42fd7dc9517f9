// A clock and timers for a queue, which stand still until the test lets time pass. Knows nothing of what
// waits for them.

import type { Time } from '../../src/queue/time.ts'

export interface FakeTime extends Time {
  /** Lets so many ms pass, one timer after the other, each with what follows from it. */
  pass(ms: number): Promise<void>
}

interface Timer {
  readonly due: number
  readonly work: () => void
}

/** Until what was submitted is sent, and what was answered has let the next go. */
export const tick = () => new Promise<void>((resume) => setImmediate(() => setImmediate(resume)))

export function fakeTime(): FakeTime {
  let now = 0
  const timers = new Set<Timer>()
  return {
    monotonicMs: () => now,
    startTimer(work, delayMs) {
      const timer = { due: now + delayMs, work, unref: () => timer }
      timers.add(timer)
      return timer as unknown as NodeJS.Timeout
    },
    stopTimer: (timer) => void timers.delete(timer as unknown as Timer),
    soon: (work) => void setImmediate(work),
    inBackground: (work) => work(),
    async pass(ms) {
      const end = now + ms
      await tick()
      for (;;) {
        const [next] = [...timers].sort((a, b) => a.due - b.due)
        if (!next || next.due > end) break
        timers.delete(next)
        now = next.due
        next.work()
        for (let i = 0; i < 3; i++) await tick()
      }
      now = end
    },
  }
}
