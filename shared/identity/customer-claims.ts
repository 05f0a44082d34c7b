import { readClaim } from './claims.js'
import { isGuest } from './user-ids.js'

/** Who a request is from. */
export interface Customer {
  userId: string
  /** Null when the sign-in knows none: Stripe then asks for it. */
  email: string | null
}

/** Under which names the claims of a sign-in say who somebody is. */
export interface ClaimNames {
  user: string
  email: string
}

/** Those of OpenID Connect Core 1.0, section 5.1. */
export const STANDARD_CLAIMS: ClaimNames = { user: 'sub', email: 'email' }

/** The customer that claims name. Throws, with the claim's name, when they name no user. */
export function customerOf(claims: object, names: ClaimNames = STANDARD_CLAIMS): Customer {
  return { userId: userIdOf(claims, names.user), email: emailOf(claims, names.email) }
}

function userIdOf(claims: object, name: string): string {
  const value = readClaim(claims, name)
  // Many frameworks number their users. What is over 2^53 was rounded when it was read, so that two users would be one; 0
  // is how some of them say that nobody is signed in.
  if (typeof value === 'number' && Number.isSafeInteger(value) && value > 0) return String(value)
  if (!isPlainText(value)) throw new Error(`the claim "${name}" names no user`)
  if (isGuest(value)) throw new Error(`the claim "${name}" begins as the ids of guests do`)
  return value
}

function emailOf(claims: object, name: string): string | null {
  const value = readClaim(claims, name)
  return isPlainText(value) ? value : null
}

function isPlainText(value: unknown): value is string {
  return (
    typeof value === 'string' &&
    value.length > 0 &&
    value.length <= 255 &&
    value.isWellFormed() &&
    !value.includes('\0')
  )
}
