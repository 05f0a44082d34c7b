import type { JWTPayload } from 'jose'

/** Who a request is from. */
export interface Customer {
  userId: string
  email: string
}

/** The customer that a token's claims name: `sub` and `email`. Throws when one is missing or no plain text. */
export function customerOf({ sub, email }: JWTPayload): Customer {
  if (!isPlainText(sub) || !isPlainText(email)) throw new Error('the token names no user and e-mail')
  return { userId: sub, email }
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
