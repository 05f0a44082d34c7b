/** The command line cannot be understood as it is. */
export class UsageError extends Error {}

/** The first argument, or a UsageError that says what is missing. */
export function required(value: string | undefined, what: string): string {
  if (value === undefined || value === '') throw new UsageError(`${what} is missing.`)
  return value
}

/** A date such as 2026-11-01 or 2026-11-01T08:00:00Z. */
export function dateArgument(text: string, what: string): Date {
  const date = new Date(text)
  if (Number.isNaN(date.getTime()))
    throw new UsageError(`${what} takes a date such as 2026-11-01 or 2026-11-01T08:00:00Z.`)
  return date
}
