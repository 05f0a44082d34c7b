import Stripe from 'stripe'

const TOLERANCE_SECONDS = 300

/**
 * Why a delivery is not believed. `clock`: it is signed by a secret of ours, but at another time than now, `seconds`
 * after (positive) or before this server's clock.
 */
export type SignatureFault =
  | { kind: 'missing' | 'malformed' | 'body' | 'secret'; reason: string }
  | { kind: 'clock'; reason: string; seconds: number }

export type SignatureCheck = { valid: true; payload: string } | ({ valid: false } & SignatureFault)

/**
 * Checks Stripe-Signature against each secret, so that a secret can be replaced without losing an event. Timestamps more
 * than five minutes from `now`, either way, are refused. Elements of other schemes, and such as are none, are left out.
 * https://docs.stripe.com/webhooks#verify-manually
 */
export function verifySignature(
  body: Buffer,
  header: string | undefined,
  secrets: readonly string[],
  now: Date
): SignatureCheck {
  if (header === undefined) {
    return { valid: false, kind: 'missing', reason: 'The Stripe-Signature header is missing.' }
  }
  const read = readHeader(header)
  if ('reason' in read) return { valid: false, kind: 'malformed', reason: read.reason }
  let payload: string
  try {
    payload = new TextDecoder('utf-8', { fatal: true }).decode(body)
  } catch {
    return { valid: false, kind: 'body', reason: 'The body is not UTF-8, so no signature can be right.' }
  }
  if (!secrets.some(secret => isSignedBy(secret, payload, read.header))) {
    const reason = 'No signature matches. Check STRIPE_WEBHOOK_SECRET and that nothing changes the body on its way.'
    return { valid: false, kind: 'secret', reason }
  }
  const seconds = read.timestamp - Math.floor(now.getTime() / 1000)
  if (Math.abs(seconds) > TOLERANCE_SECONDS) {
    const reason = 'The signature’s timestamp is more than five minutes from this server’s clock.'
    return { valid: false, kind: 'clock', reason, seconds }
  }
  return { valid: true, payload }
}

/** The time and the signatures that can be right, again as a header: the library stumbles over anything else. */
function readHeader(header: string): { timestamp: number; header: string } | { reason: string } {
  const elements = header.split(',').map(element => element.replace(/^[ \t]+|[ \t]+$/g, ''))
  const timestamps = elements.filter(element => element.startsWith('t='))
  // Of two timestamps an old signature could look fresh.
  if (timestamps.length > 1) return { reason: 'The Stripe-Signature header has several timestamps.' }
  const timestamp = timestamps[0]?.slice(2) ?? ''
  if (!/^[1-9]\d{0,11}$/.test(timestamp)) {
    return { reason: 'The Stripe-Signature header has no timestamp (t=, in seconds).' }
  }
  const signatures = elements.filter(element => /^v1=[0-9a-f]{64}$/.test(element))
  if (signatures.length === 0) {
    return { reason: 'The Stripe-Signature header has no signature (v1=, 64 hexadecimal digits).' }
  }
  return { timestamp: Number(timestamp), header: [`t=${timestamp}`, ...signatures].join(',') }
}

function isSignedBy(secret: string, payload: string, header: string): boolean {
  try {
    // A tolerance of zero leaves the time to us: the library does not look for signatures of the future.
    return Stripe.webhooks.signature?.verifyHeader(payload, header, secret, 0) === true
  } catch (error) {
    if (error instanceof Stripe.errors.StripeSignatureVerificationError) return false
    throw error
  }
}
