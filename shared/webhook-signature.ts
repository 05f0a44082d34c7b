import Stripe from 'stripe'

const TOLERANCE_SECONDS = 300

export type SignatureCheck = { valid: true; payload: string } | { valid: false; reason: string }

/**
 * Checks Stripe-Signature against each secret, so that a secret can be replaced without losing an event. Timestamps more
 * than five minutes from `now`, either way, are refused. https://docs.stripe.com/webhooks#verify-manually
 */
export function verifySignature(
  body: Buffer,
  header: string | undefined,
  secrets: readonly string[],
  now: Date
): SignatureCheck {
  if (header === undefined) return { valid: false, reason: 'The Stripe-Signature header is missing.' }
  const timestamps = header.split(',').filter(part => part.trim().startsWith('t='))
  // Two timestamps could be read differently here and in the library, so that an old signature would look fresh.
  const signedAt = timestamps.length === 1 ? Number(timestamps[0]?.trim().slice(2)) : Number.NaN
  if (!Number.isSafeInteger(signedAt)) return { valid: false, reason: 'The Stripe-Signature header has no timestamp.' }
  const seconds = Math.floor(now.getTime() / 1000)
  if (Math.abs(seconds - signedAt) > TOLERANCE_SECONDS) {
    return { valid: false, reason: 'The signature’s timestamp is more than five minutes from this server’s clock.' }
  }
  let payload: string
  try {
    payload = new TextDecoder('utf-8', { fatal: true }).decode(body)
  } catch {
    return { valid: false, reason: 'The body is not UTF-8.' }
  }
  for (const secret of secrets) {
    try {
      Stripe.webhooks.signature?.verifyHeader(payload, header, secret, TOLERANCE_SECONDS, undefined, now.getTime())
      return { valid: true, payload }
    } catch (error) {
      if (!(error instanceof Stripe.errors.StripeSignatureVerificationError)) throw error
    }
  }
  return {
    valid: false,
    reason: 'No signature matches. Check STRIPE_WEBHOOK_SECRET and that nothing changes the body on its way.'
  }
}
