import { together } from '../database/together.js'
import type { Services } from '../runtime/services.js'
import { type CheckoutRow, lockWithCustomer } from '../statements/checkouts.js'
import { readInstallation } from '../statements/installation.js'
import { type Change, inChange } from './change.js'
import { endIfPossible } from './expire-checkout.js'
import { accept } from './verification/accept.js'
import { decide } from './verification/decide.js'
import { reject } from './verification/reject.js'
import { type VerifiedCheckout, verifiedCheckout } from './verified-checkout.js'

/** Older checkouts that one try may ask Stripe to end; the next try goes on with what is left. */
const MAX_ENDED = 10

/**
 * Checks a cart against the database and reserves its stock: RECEIVED → VERIFIED or REJECTED, in one transaction. What has
 * to end first ends between two of them (docs/golden-rules.md#rule-6), by Stripe's word (docs/golden-rules.md#rule-10); one
 * that Stripe does not end is left out from then on. Undefined when the checkout is not verified.
 */
export async function verifyCheckout(services: Services, checkoutId: string): Promise<VerifiedCheckout | undefined> {
  for (let ended = 0; ; ended++) {
    const { verified, endsFirst } = await inChange(services, { checkoutId }, change => verify(change, checkoutId))
    if (endsFirst === undefined) return verified
    if (ended === MAX_ENDED) throw new Error(`Checkout ${endsFirst.id} has to end first`)
    await endIfPossible(services, endsFirst)
  }
}

interface Verification {
  /** Undefined when it was refused, or is over. */
  verified?: VerifiedCheckout
  /** The open checkout that has to end first; nothing was written. */
  endsFirst?: CheckoutRow
}

async function verify(change: Change, checkoutId: string): Promise<Verification> {
  const checkout = await lockWithCustomer(change.client, checkoutId)
  if (checkout === undefined) throw new Error(`There is no checkout ${checkoutId}`)
  // A second job for a verified checkout (after a crash behind the commit) only has what follows to do.
  if (checkout.status !== 'RECEIVED')
    return checkout.status === 'VERIFIED' ? { verified: verifiedCheckout(checkout) } : {}
  const [decision, [installation]] = await together(change.client, [
    () => decide(change, checkout),
    () => readInstallation(change.client)
  ])
  switch (decision.outcome) {
    case 'accept':
      return { verified: await accept(change, checkout, decision, installation) }
    case 'reject':
      await reject(change, checkout, decision)
      return {}
    case 'wait':
      return { endsFirst: decision.endsFirst }
  }
}
