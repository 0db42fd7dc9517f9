// What a command is: its name, its flags, and what it does. Must not know which commands there are.

import type { Screen } from './screen.ts'

export interface Flag {
  /** Stands for the value in the help text, such as `URL`. A flag without one is on or off. */
  readonly value?: string
  /** Follows the flag in the help text. */
  readonly says: string
}

export type Flags = Readonly<Record<string, Flag>>

/** The flags that were given, without their dashes. */
export type FlagValues = Readonly<Record<string, string | true | undefined>>

/** 0: fine. 1: something was found or refused. 2: wrong use, or no connection. 130: ended by Ctrl-C. */
export type ExitCode = 0 | 1 | 2 | 130

export interface Command {
  readonly name: string
  /** A sentence for the help text. */
  readonly says: string
  /** Beside those that all commands have. */
  readonly flags: Flags
  /** Ctrl-C ends it at once, but for what it lets end by `Screen.letEnd`. */
  run(values: FlagValues, screen: Screen): Promise<ExitCode>
}

/** Of the commands that create something. */
export const ADMIN: Flags = {
  'admin-url': { value: 'URL', says: 'the same database for a role that may create tables and indexes' },
}

/** The flags of all commands. */
export const COMMON: Flags = {
  url: { value: 'URL', says: 'where the database is; default: DATABASE_URL, then PGHOST and the like' },
  table: { value: 'NAME', says: 'the name of the table; default: session' },
  schema: { value: 'NAME', says: 'its schema; default: as the search_path says' },
  json: { says: 'print one JSON document' },
  help: { says: 'print this' },
}
