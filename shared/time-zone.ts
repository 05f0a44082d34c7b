/** PostgreSQL takes these for abbreviations, which know no summer: https://www.postgresql.org/docs/18/datetime-input-rules.html */
const AMBIGUOUS = /^(CET|EET|MET|WET|EST|MST|HST)$/i

/** Whether it is a name of the IANA time zone database, such as Europe/Berlin, that PostgreSQL reads alike. */
export function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name })
    return /^[A-Za-z]/.test(name) && !AMBIGUOUS.test(name)
  } catch {
    return false
  }
}
