// The events of a store. Promises that nothing is done for an event without a listener, and that a listener
// which throws or rejects ends nothing and keeps no other one from being called. Must not know when the
// events happen.

import type { EventEmitter } from 'node:events'
import type { SessionData } from 'express-session'
import type { Settings } from './settings/settings.ts'

/** A prune of this store has deleted an expired session. */
export interface ExpireEvent {
  sid: string
  /** As it was stored. Null if the row does not hold a session that can be read. */
  session: SessionData | null
}

/** Somebody has called for a session to be deleted, and it is. */
export interface DestroyEvent {
  /** Undefined after `clear()`: all sessions are deleted. */
  sid: string | undefined
}

/** What a listener gets, by the name of the event. */
export interface StoreEvents {
  expire: ExpireEvent
  destroy: DestroyEvent
}

export class Events {
  readonly #emitter: EventEmitter
  readonly #errorLog: Settings['errorLog']

  constructor(emitter: EventEmitter, errorLog: Settings['errorLog']) {
    this.#emitter = emitter
    this.#errorLog = errorLog
  }

  hasListener(name: keyof StoreEvents): boolean {
    return this.#emitter.listenerCount(name) > 0
  }

  /** Calls the listeners in the async context of this call. */
  tell<Name extends keyof StoreEvents>(name: Name, event: StoreEvents[Name]): void {
    // Not by `emit`, which ends at the first listener that throws. These are with the wrappers of `once`,
    // which remove themselves.
    for (const listener of this.#emitter.rawListeners(name)) {
      // The promise catches what the listener throws as well as what it rejects with.
      new Promise((resolve) => resolve(Reflect.apply(listener, this.#emitter, [event]))).catch((error) =>
        this.#errorLog(`A listener of \`${name}\` failed`, error),
      )
    }
  }
}
