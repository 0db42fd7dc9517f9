// Watches whether a statement of this process may be under way in the server. Promises to count one that was
// sent and got no answer, and none that was not sent, as its connection was never made. Must not know the
// statements.

import type { StoreError } from '../errors.ts'
import { type BatchMessage, batches, type ConnectMessage, connects } from '../tracing/channels.ts'

export interface UnderWay {
  readonly isAny: boolean
  end(): void
}

/** A command has one statement at a time. */
export function watchUnderWay(): UnderWay {
  let [isRunning, isLoggingIn, isShutOut, isLost] = [false, false, false, false]
  const onStart = () => {
    isRunning = true
    isShutOut = false
  }
  const onEnd = (message: unknown) => {
    const error = (message as BatchMessage).error as StoreError | undefined
    isRunning = false
    // An error with a severity is the server's answer. After any other the statement may go on without us.
    if (error && !error.severity && !isShutOut) isLost = true
  }
  const onLogin = () => {
    isLoggingIn = true
  }
  const onLoginEnd = (message: unknown) => {
    isLoggingIn = false
    isShutOut = (message as ConnectMessage).error !== undefined
  }
  batches.start.subscribe(onStart)
  batches.asyncEnd.subscribe(onEnd)
  connects.start.subscribe(onLogin)
  connects.asyncEnd.subscribe(onLoginEnd)
  return {
    get isAny() {
      return isLost || (isRunning && !isLoggingIn)
    },
    end() {
      batches.start.unsubscribe(onStart)
      batches.asyncEnd.unsubscribe(onEnd)
      connects.start.unsubscribe(onLogin)
      connects.asyncEnd.unsubscribe(onLoginEnd)
    },
  }
}
