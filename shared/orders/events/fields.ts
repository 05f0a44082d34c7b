import { SECOND } from '../../duration.js'
import { TerminalError } from '../../errors.js'

// Every field of an event that becomes a time, an amount, an id or a text of ours is read through one of these. What
// cannot be read cannot be read the next time either: a TerminalError names the field, at once.

/** Twelve digits: https://docs.stripe.com/api/payment_intents/object#payment_intent_object-amount */
const MAX_AMOUNT = 999_999_999_999
/** In seconds; past the year 5000. */
const MAX_TIME = 1e11
/** Stripe's own texts are far shorter. */
const MAX_TEXT = 5_000

/** Ends the event: what one of its fields is, and what it should be. */
export function refuse(field: string, value: unknown, expected: string): never {
  throw new TerminalError(`the event's ${field} is ${described(value)}, not ${expected}`)
}

/** A short word or a number as it is, in quotes; of all else what it is, since it could be personal or huge. */
export function described(value: unknown): string {
  if (value === undefined) return 'missing'
  if (value === null || typeof value === 'boolean' || typeof value === 'number') return String(value)
  if (typeof value !== 'string') return Array.isArray(value) ? 'a list' : 'an object'
  return /^[\w.:-]{0,60}$/.test(value) ? JSON.stringify(value) : `a text of ${value.length} characters`
}

/** An amount in minor units. */
export function amountOf(value: unknown, field: string): number {
  if (!isWhole(value) || value < 0 || value > MAX_AMOUNT) refuse(field, value, 'an amount in minor units')
  return value
}

/** An amount that can be negative, such as that of a balance transaction. */
export function movementOf(value: unknown, field: string): number {
  if (!isWhole(value) || Math.abs(value) > MAX_AMOUNT) refuse(field, value, 'an amount in minor units')
  return value
}

/** A currency, in upper case. */
export function currencyOf(value: unknown, field = 'currency'): string {
  if (typeof value !== 'string' || !/^[a-z]{3}$/i.test(value)) refuse(field, value, 'a currency code')
  return value.toUpperCase()
}

export function timeOf(value: unknown, field: string): Date {
  if (!isWhole(value) || value < 0 || value > MAX_TIME) refuse(field, value, 'a time in seconds')
  return new Date(value * SECOND)
}

/** A text that a column can hold: PostgreSQL has no NUL, and UTF-8 no halves of pairs. */
export function textOf(value: unknown, field: string): string {
  if (typeof value !== 'string' || value.length > MAX_TEXT || /\0|\p{Surrogate}/u.test(value)) {
    refuse(field, value, `a text of at most ${MAX_TEXT} characters`)
  }
  return value
}

export function flagOf(value: unknown, field: string): boolean {
  if (typeof value !== 'boolean') refuse(field, value, 'true or false')
  return value
}

/** The id of something that may be expanded; null when there is none. */
export function idOf(reference: unknown, field = 'id'): string | null {
  if (reference === null || reference === undefined) return null
  const id = typeof reference === 'object' ? (reference as { id?: unknown }).id : reference
  if (typeof id !== 'string' || !/^\w{3,255}$/.test(id)) refuse(field, id, 'an id')
  return id
}

/** As idOf(), of something that has to be there. */
export function presentIdOf(reference: unknown, field: string): string {
  return idOf(reference, field) ?? refuse(field, reference, 'an id')
}

/** What can be an id of ours: metadata can be anybody's, and anything. */
export function ownIdOf(value: unknown): string | undefined {
  return typeof value === 'string' && /^c[0-9a-z]{24}$/.test(value) ? value : undefined
}

/** The items of a list; none when there is no list. */
export function listOf<T>(value: T[] | null | undefined, field: string): T[] {
  if (value === null || value === undefined) return []
  if (!Array.isArray(value)) refuse(field, value, 'a list')
  for (const item of value) if (typeof item !== 'object' || item === null) refuse(field, item, 'an object')
  return value
}

/** Undefined when the field is missing or null; else what `read` makes of it. */
export function optional<T>(read: (value: unknown, field: string) => T, value: unknown, field: string): T | undefined {
  return value === null || value === undefined ? undefined : read(value, field)
}

function isWhole(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value)
}
