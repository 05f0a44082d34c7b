import type { Request, Response } from 'express'
import { Problem } from '../shared/errors.js'
import { type CheckoutRow, readCheckout, readCheckoutOfSession } from '../shared/statements/checkouts.js'
import type { Ingress } from './ingress.js'
import { reportStranger } from './ownership.js'
import { isId } from './schemas.js'

/** https://docs.stripe.com/api/checkout/sessions/object#checkout_session_object-id: the success page is given nothing else. */
const SESSION_ID = /^cs_\w{1,250}$/

/**
 * The customer's checkout that a path names by its own id or by that of its Session. Another customer's is as missing as one
 * that does not exist.
 */
export async function ownCheckout(ingress: Ingress, request: Request, response: Response): Promise<CheckoutRow> {
  const customer = await ingress.authenticate(request, response)
  const name = String(request.params.id)
  const checkout = await find(ingress, name)
  if (checkout !== undefined && checkout.userId !== customer.userId) {
    reportStranger(ingress, request, customer, { checkoutId: checkout.id, orderId: checkout.orderId })
  }
  if (checkout === undefined || checkout.userId !== customer.userId) {
    throw new Problem('checkout_not_found', { detail: `You have no checkout ${name.slice(0, 64)}.` })
  }
  return checkout
}

async function find({ db }: Ingress, name: string): Promise<CheckoutRow | undefined> {
  if (isId(name)) return await readCheckout(db.pool, name)
  return SESSION_ID.test(name) ? await readCheckoutOfSession(db.pool, name) : undefined
}
