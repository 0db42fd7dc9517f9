// How what goes wrong in the background is told. Promises that it belongs to no request, and that an `errorLog` which
// throws or rejects ends nothing. Must not know what went wrong.

import { inBackground } from './clock.ts'

type ErrorLog = (message: string, error: unknown) => void

export function reporter(errorLog: ErrorLog): ErrorLog {
  // A promise catches both what it throws and what it rejects with.
  const told = (message: string, error: unknown) =>
    new Promise<void>((resolve) => resolve(errorLog(message, error)))
  return (message, error) => void inBackground(() => told(message, error).catch(() => {}))
}
