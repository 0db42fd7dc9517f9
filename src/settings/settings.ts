// Turns the options into settings. Promises that each setting is what was given or its default, and a
// TypeError for an option that breaks its rule. Must not know what the settings are used for.

import type { ConObject, Options, Serializer } from '../options.ts'
import { type ErrorLog, logToConsole, safeErrorLog } from './error-log.ts'
import { checkOption, checkOptions } from './rules.ts'
import { serializerOf } from './serializer.ts'

/**
 * What the store works with: every option, with its default if it was not given. In seconds unless the name
 * says ms.
 */
export interface Settings {
  readonly postgres: Options['postgres']
  readonly conString: string | undefined
  readonly conObject: ConObject | undefined
  readonly tableName: string
  readonly schemaName: string | undefined
  readonly ttl: NonNullable<Options['ttl']>
  readonly createTableIfMissing: boolean
  readonly userIdPath: readonly string[]
  readonly userIndex: boolean
  readonly disableTouch: boolean
  /** Undefined: it depends on the session's lifetime. */
  readonly touchInterval: number | undefined
  readonly maxLifetime: number | undefined
  readonly pruneSessionInterval: number | false
  readonly pruneSessionRandomizedInterval: (milliseconds: number) => number
  readonly errorLog: ErrorLog
  readonly serializer: Serializer
  readonly timeoutMs: number
  readonly max: number
  readonly isolate: boolean
  readonly onConflict: NonNullable<Options['onConflict']>
  /** Of its connections, whatever else says one. No option: for the command line. */
  readonly applicationName?: string
  /** When it is aborted, connections end and nothing more is sent. No option: for the command line. */
  readonly stop?: AbortSignal
  /** By when each of several hosts must have been asked, if that is sooner. No option: for the command line. */
  readonly contactMs?: number | undefined
}

const ONE_DAY = 86_400

/** @throws TypeError that names the option, the rule, the value and its type */
export function parseOptions(options: Options = {}): Settings {
  checkOptions(options)
  const timeoutMs = (options.timeout ?? 10) * 1000
  return {
    postgres: options.postgres,
    conString: options.conString,
    conObject: options.conObject,
    tableName: options.tableName ?? 'session',
    schemaName: options.schemaName,
    ttl: options.ttl ?? ONE_DAY,
    createTableIfMissing: options.createTableIfMissing ?? false,
    userIdPath: [...(options.userIdPath ?? ['passport', 'user'])],
    userIndex: options.userIndex ?? false,
    disableTouch: options.disableTouch ?? false,
    touchInterval: options.touchInterval,
    maxLifetime: options.maxLifetime,
    pruneSessionInterval: options.pruneSessionInterval ?? 60,
    pruneSessionRandomizedInterval: randomizer(options.pruneSessionRandomizedInterval),
    errorLog: safeErrorLog(options.errorLog ?? logToConsole),
    serializer: serializerOf(options.serializer, timeoutMs),
    timeoutMs,
    max: options.max ?? poolSize(options) ?? 4,
    isolate: options.isolate ?? true,
    onConflict: options.onConflict ?? 'overwrite',
  }
}

function randomizer(option: Options['pruneSessionRandomizedInterval']): (milliseconds: number) => number {
  if (option === false) return (milliseconds) => milliseconds
  // Spread out, so that processes started together do not all prune together.
  return option ?? ((milliseconds) => milliseconds * (0.5 + Math.random()))
}

/** The size of the pool in node-postgres' connection object, where it may also be the text of a number. */
function poolSize({ postgres, conObject }: Options): number | undefined {
  const size = postgres === undefined ? (conObject?.['max'] ?? conObject?.['poolSize']) : undefined
  if (size === undefined || size === null || size === '') return undefined
  const max = typeof size === 'string' ? Number(size) : size
  checkOption('max', max)
  return max
}
