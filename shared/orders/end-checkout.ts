import { writeAudit } from '../audit/audit.js'
import { Refused } from '../refused.js'
import type { CheckoutStatus } from '../rules/transitions.js'
import type { Services } from '../runtime/services.js'
import { type CheckoutRow, readCheckout } from '../statements/checkouts.js'
import { findPaymentsOf } from '../statements/payments.js'
import { expireForOperator, notCreatedYet } from './expire-checkout.js'
import { type ByOperator, giveUpUnknown } from './give-up-checkout.js'

/**
 * Ends an open checkout at Stripe for an operator, or, `unknownToStripe`, by their word that Stripe has deleted its Session.
 * A customer who was faster keeps the payment. Returns what the checkout is then. Throws Refused when it is not open.
 */
export async function endCheckout(
  services: Services,
  id: string,
  { unknownToStripe, ...by }: ByOperator & { unknownToStripe: boolean }
): Promise<CheckoutStatus> {
  const { pool } = services.db
  const open = await readCheckout(pool, id)
  if (open === undefined) throw new Refused('checkout_not_found', `There is no checkout ${id}.`)
  if (open.status === 'PROCESSING' && !unknownToStripe)
    throw new Refused('not_expirable', await whatEndsIt(services, open))
  if (open.status !== 'OPEN' && open.status !== 'VERIFIED' && open.status !== 'PROCESSING')
    throw new Refused('not_expirable', `The checkout is ${open.status}; only an open one can be expired.`)
  if (open.sessionId === null && !unknownToStripe) throw notCreatedYet(id)
  await writeAudit(pool, {
    action: 'checkout_expire_requested',
    status: 'PROCESSING',
    userId: open.userId,
    orderId: open.orderId,
    checkoutId: id,
    metadata: { ...by, unknownToStripe }
  })
  if (unknownToStripe) {
    await giveUpUnknown(services, open, by)
  } else {
    await expireForOperator(services, open)
  }
  return (await readCheckout(pool, id))?.status ?? open.status
}

/** Stripe expires no Session that the customer has submitted: what ends it instead. */
async function whatEndsIt({ db }: Services, { id, orderId }: CheckoutRow): Promise<string> {
  const payments = (await findPaymentsOf(db.pool, orderId ?? '')).filter(each => each.checkoutId === id)
  const isAuthorized = payments.some(({ status }) => status === 'AUTHORIZED')
  const what = isAuthorized
    ? `its money is authorized. Capture or cancel it: npm run ops -- order capture|cancel ${orderId}`
    : 'its bank debit is on its way. The bank answers in days, and its answer pays the order or gives the goods back'
  return `The checkout is PROCESSING: the customer has submitted the page, and ${what}. If Stripe does not know its Session any more, add --unknown-to-stripe.`
}
