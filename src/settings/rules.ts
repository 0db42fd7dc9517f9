// The rule of every option, and the check against them. Promises a TypeError that names the option, the rule,
// the value and its type, and that repeats no credentials. Must not know how options are used.

import { MAX_DELAY_MS } from '../clock.ts'
import type { Options } from '../options.ts'

type OptionName = keyof Options

/** In words, to follow "Expected … to be", and as a check. */
type Rule = readonly [words: string, holds: (value: any) => boolean]

/** The options that lead to a database. They can contain credentials. */
const DATABASE_OPTIONS = ['postgres', 'conString', 'conObject']

const ON_CONFLICT = ['overwrite', 'merge', 'error']

const MAX_SECONDS = Math.floor(MAX_DELAY_MS / 1000)
// The default randomization adds up to half of the interval.
const MAX_INTERVAL = MAX_DELAY_MS / 1000 / 1.5

const isFunction = (value: unknown): boolean => typeof value === 'function'
const isSeconds = (value: unknown): boolean => Number.isFinite(value) && (value as number) >= 0
// JSON may write other names with `\u`, and then no row is found by them.
const isPropertyName = (value: unknown): boolean =>
  typeof value === 'string' && value.isWellFormed() && ![...value].some((c) => c < ' ')
const boolean: Rule = ['true or false', (value) => typeof value === 'boolean']
const name: Rule = [
  'a non-empty string without NUL',
  (value) => typeof value === 'string' && value !== '' && !value.includes('\0'),
]

const RULES: Readonly<Record<OptionName, Rule>> = {
  postgres: ['a postgres.js instance', isFunction],
  conString: [
    'a non-empty string, or left out for DATABASE_URL and PG*',
    (value) => typeof value === 'string' && value !== '',
  ],
  conObject: ['an object', (value) => typeof value === 'object' && value !== null && !Array.isArray(value)],
  tableName: name,
  schemaName: name,
  ttl: ['a number of seconds of at least 0, or a function', (value) => isSeconds(value) || isFunction(value)],
  createTableIfMissing: boolean,
  userIdPath: [
    'a non-empty array of property names, without control characters',
    (value) => Array.isArray(value) && value.length > 0 && value.every(isPropertyName),
  ],
  userIndex: boolean,
  disableTouch: boolean,
  touchInterval: ['a number of seconds of at least 0', isSeconds],
  maxLifetime: ['a number of seconds of at least 1', (value) => isSeconds(value) && value >= 1],
  pruneSessionInterval: [
    `a number of seconds above 0 and up to ${Math.floor(MAX_INTERVAL)}, or false for never`,
    (value) => value === false || (value > 0 && value <= MAX_INTERVAL && typeof value === 'number'),
  ],
  pruneSessionRandomizedInterval: [
    'false, or a function from milliseconds to milliseconds',
    (value) => value === false || isFunction(value),
  ],
  errorLog: ['a function', isFunction],
  serializer: [
    'an object with the functions `stringify` and `parse`',
    (value) => isFunction(value?.stringify) && isFunction(value.parse),
  ],
  timeout: [
    `a number of seconds above 0 and up to ${MAX_SECONDS}`,
    (value) => typeof value === 'number' && value > 0 && value <= MAX_SECONDS,
  ],
  max: [
    'a whole number from 1 to 10000',
    (value) => Number.isInteger(value) && value >= 1 && value <= 10_000,
  ],
  isolate: boolean,
  onConflict: ["'overwrite', 'merge' or 'error'", (value) => ON_CONFLICT.includes(value)],
}

/** Options of connect-pg-simple that this store does not have, with what to pass instead. */
const REPLACED: Readonly<Record<string, string>> = {
  pool: 'a postgres.js instance as `postgres`, or the settings of that pool, `pool.options`, as `conObject`',
  pgPromise: 'a postgres.js instance as `postgres`, or the connection settings as `conString` or `conObject`',
}

/** @throws TypeError */
export function checkOptions(options: Options): void {
  if (typeof options !== 'object' || options === null) {
    throw new TypeError(`Expected the options to be an object, got ${valueInWords(options)}`)
  }
  for (const [key, value] of Object.entries(options)) {
    if (Object.hasOwn(REPLACED, key)) {
      throw new TypeError(`\`${key}\` is not an option of this store: pass ${REPLACED[key]}`)
    }
    if (!Object.hasOwn(RULES, key)) {
      throw new TypeError(`Unknown option \`${key}\`: the options are ${Object.keys(RULES).join(', ')}`)
    }
    // Undefined counts as not given, except where the default may be another database than the one that was
    // meant.
    if (value === undefined && !DATABASE_OPTIONS.includes(key)) continue
    checkOption(key as OptionName, value)
  }
  if (options.isolate === false && options.postgres === undefined) {
    throw new TypeError('Expected `postgres` to be given with `isolate: false`, got undefined')
  }
}

/** @throws TypeError */
export function checkOption(option: OptionName, value: unknown): void {
  const [words, holds] = RULES[option]
  if (!holds(value))
    throw new TypeError(`Expected \`${option}\` to be ${words}, got ${valueInWords(value, option)}`)
}

/**
 * The value and its type. Only the type of anything that may be a connection string, as that contains a
 * password.
 */
function valueInWords(value: unknown, option = ''): string {
  if (value === null) return '`null` (object)'
  const type = Array.isArray(value) ? 'array' : typeof value
  if (type === 'object' || type === 'array' || type === 'function') return `a value of type ${type}`
  const text = String(value)
  const mayBeSecret = DATABASE_OPTIONS.includes(option) || /:\/\/|@/.test(text)
  if (mayBeSecret && type === 'string' && text !== '') return `a value of type ${type}`
  return `\`${text.length > 60 ? `${text.slice(0, 60)}…` : text}\` (${type})`
}
