// The error for wrong use of the program, and the check of flags that take numbers. Promises that a message
// can be printed as it is: it does not repeat what was given. Must not know the commands.

export class UsageError extends Error {}

type Values = Readonly<Record<string, string | true | undefined>>

/** @throws UsageError for a flag that has no effect without another one: something else was meant */
export function checkNeeds(values: Values, flag: string, other: string): void {
  if (values[flag] !== undefined && values[other] === undefined)
    throw new UsageError(`--${flag} means nothing without --${other}`)
}

/**
 * A flag that takes a whole number.
 * @throws UsageError
 */
export function wholeNumber(values: Values, flag: string, least: number): number | undefined {
  const text = values[flag]
  if (text === undefined) return undefined
  const number = Number(text)
  if (text === '' || !Number.isSafeInteger(number) || number < least) {
    throw new UsageError(`Expected --${flag} to be a whole number of at least ${least}`)
  }
  return number
}
