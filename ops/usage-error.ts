/** The command line cannot be understood as it is. */
export class UsageError extends Error {}

/** The first argument, or a UsageError that says what is missing. */
export function required(value: string | undefined, what: string): string {
  if (value === undefined || value === '') throw new UsageError(`${what} is missing.`)
  return value
}
