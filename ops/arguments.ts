import { InvalidArgumentError, Option } from 'commander'

/** An option that takes one of these words, in capitals or not. */
export function choice(flags: string, what: string, words: readonly string[]): Option {
  return new Option(flags, what).choices(words).argParser(text => {
    const word = words.find(each => each.toLowerCase() === text.toLowerCase())
    if (word === undefined) throw new InvalidArgumentError(`It takes ${words.join(', ')}.`)
    return word
  })
}

/** A text that is not empty. */
export function text(given: string): string {
  if (given.trim() === '') throw new InvalidArgumentError('It must not be empty.')
  return given
}

/** A date such as 2026-11-01 or 2026-11-01T08:00:00Z. */
export function date(given: string): Date {
  const read = new Date(given)
  if (Number.isNaN(read.getTime()))
    throw new InvalidArgumentError('It takes a date such as 2026-11-01 or 2026-11-01T08:00:00Z.')
  return read
}

/** A number above zero, at most `most`. */
export function positive(what: string, most = Number.MAX_SAFE_INTEGER): (given: string) => number {
  return given => {
    const number = Number(given)
    if (number > 0 && number <= most) return number
    const bound = most === Number.MAX_SAFE_INTEGER ? '' : `, at most ${most}`
    throw new InvalidArgumentError(`It takes a number of ${what}${bound}.`)
  }
}

/** How many rows to list. */
export function rows(given: string): number {
  const number = Number(given)
  if (Number.isInteger(number) && number > 0) return Math.min(number, MOST_ROWS)
  throw new InvalidArgumentError('It takes a whole number of rows.')
}

const MOST_ROWS = 1_000
