// The option `errorLog`, wrapped. Promises that it is called in no request's async context, and that an
// `errorLog` that throws or rejects harms nobody. Must not know what is reported.

import { inBackground } from '../clock.ts'

export type ErrorLog = (message: string, error: unknown) => void

export function safeErrorLog(errorLog: ErrorLog): ErrorLog {
  // The promise catches what `errorLog` throws as well as what it rejects with.
  const call = (message: string, error: unknown) =>
    new Promise<void>((resolve) => resolve(errorLog(message, error)))
  return (message, error) => void inBackground(() => call(message, error).catch(() => {}))
}

// Looks up console.error at each call, so that one replaced after the store was made is used.
export const logToConsole: ErrorLog = (message, error) =>
  error === undefined ? console.error(message) : console.error(message, error)
