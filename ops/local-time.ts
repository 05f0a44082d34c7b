/** "2026-11-25 13:40:12+01:00" in the zone of whoever looks (TZ); options that take a date take it, too. */
export function localTime(date: Date): string {
  return `${localDay(date)} ${localClock(date)}${offset(date)}`
}

/** "2026-11-25" */
export function localDay(date: Date): string {
  return [date.getFullYear(), two(date.getMonth() + 1), two(date.getDate())].join('-')
}

/** "13:40:12" */
export function localClock(date: Date): string {
  return [date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(':')
}

/** "+01:00" */
export function offset(date: Date): string {
  const minutes = -date.getTimezoneOffset()
  const [hours, rest] = [Math.floor(Math.abs(minutes) / 60), Math.abs(minutes) % 60]
  return `${minutes < 0 ? '-' : '+'}${two(hours)}:${two(rest)}`
}

function two(number: number): string {
  return String(number).padStart(2, '0')
}
