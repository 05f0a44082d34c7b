const FORMAT = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'medium', timeZone: 'UTC' })

/** A moment with its zone. */
export function Time({ at }: { at: Date }) {
  return <time dateTime={at.toISOString()}>{timeText(at)}</time>
}

export function timeText(at: Date): string {
  return `${FORMAT.format(at)} UTC`
}
