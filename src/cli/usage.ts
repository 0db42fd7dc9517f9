// The error for wrong use of the program, and the check of flags that take numbers. Promises that a message
// can be printed as it is: it does not repeat what was given. Must not know the commands.

export class UsageError extends Error {}

/**
 * A flag that takes a whole number.
 * @throws UsageError
 */
export function wholeNumber(
  values: Readonly<Record<string, string | true | undefined>>,
  flag: string,
  least: number,
): number | undefined {
  const text = values[flag]
  if (text === undefined) return undefined
  const number = Number(text)
  if (text === '' || !Number.isSafeInteger(number) || number < least) {
    throw new UsageError(`Expected --${flag} to be a whole number of at least ${least}`)
  }
  return number
}
