// Reads the arguments of a command by its flags, and writes its help text. Promises that what is wrong is
// answered with the list of what is right, and that no argument is repeated in an error, as it may hold a
// password. Must not know the commands.

import { parseArgs } from 'node:util'
import { COMMON, type Command, type Flags, type FlagValues } from './command.ts'
import { UsageError } from './usage.ts'

/** @throws UsageError */
export function valuesOf(command: Command, args: readonly string[]): FlagValues {
  const flags: Flags = { ...command.flags, ...COMMON }
  const options = Object.fromEntries(
    Object.entries(flags).map(([name, { value }]) => {
      return [name, { type: value === undefined ? ('boolean' as const) : ('string' as const) }]
    }),
  )
  try {
    const parsed = parseArgs({
      args: [...args],
      options,
      strict: true,
      allowPositionals: false,
      tokens: true,
    })
    checkOnce(parsed.tokens, flags, command)
    return parsed.values as FlagValues
  } catch (error) {
    if (error instanceof UsageError) throw error
    throw new UsageError(`${reasonOf(error, command)}; its flags are ${namesOf(flags)}`)
  }
}

/** Of two values the first would count for nothing: a session that is to be spared would be destroyed. */
function checkOnce(
  tokens: readonly { kind: string; name?: string }[],
  flags: Flags,
  { name }: Command,
): void {
  const given = tokens.flatMap(({ kind, name: flag }) => (kind === 'option' && flag ? flag : []))
  const twice = given.find((flag, i) => flags[flag]?.value !== undefined && given.indexOf(flag) !== i)
  if (twice !== undefined)
    throw new UsageError(`The flag --${twice} of \`${name}\` takes one value, not several`)
}

function reasonOf(error: unknown, { name }: Command): string {
  const { code, message } = error as { code?: string; message: string }
  // The messages of node:util quote the flag, and for a positional argument the argument.
  const flag = /'(?:-\w, )?(--?[\w-]+)/.exec(message)?.[1] ?? ''
  if (code === 'ERR_PARSE_ARGS_UNKNOWN_OPTION') return `\`${name}\` has no flag ${flag}`
  if (code === 'ERR_PARSE_ARGS_INVALID_OPTION_VALUE') {
    const needs = message.includes('does not take an argument') ? 'takes no value' : 'needs a value'
    // As of one sid in 64.
    const how = message.includes('ambiguous') ? `: one that begins with a dash is given as ${flag}=VALUE` : ''
    return `The flag ${flag} of \`${name}\` ${needs}${how}`
  }
  return `\`${name}\` takes flags only`
}

const namesOf = (flags: Flags): string =>
  Object.keys(flags)
    .map((name) => `--${name}`)
    .join(', ')

export function helpOf({ name, says, flags }: Command): string {
  return [
    `Usage: connect-postgres-simple ${name} [flags]`,
    '',
    says,
    '',
    ...linesOf(Object.entries(flags).map(inWords)),
    ...(Object.keys(flags).length > 0 ? [''] : []),
    ...linesOf(Object.entries(COMMON).map(inWords)),
  ].join('\n')
}

export function overviewOf(commands: readonly Command[]): string {
  return [
    'Usage: connect-postgres-simple COMMAND [flags]',
    '',
    'Looks after the table of sessions of connect-postgres-simple and connect-pg-simple.',
    '',
    ...linesOf(commands.map(({ name, says }) => [name, says])),
    '',
    '`connect-postgres-simple COMMAND --help` lists the flags of a command. --version prints the version.',
    'Exit codes: 0 fine, 1 something was found or refused, 2 wrong use or no connection, 130 ended by ' +
      'Ctrl-C.',
  ].join('\n')
}

const inWords = ([name, { value, says }]: [string, Flags[string]]): [string, string] => [
  `--${name}${value === undefined ? '' : ` ${value}`}`,
  says,
]

function linesOf(pairs: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(...pairs.map(([left]) => left.length))
  return pairs.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`)
}
