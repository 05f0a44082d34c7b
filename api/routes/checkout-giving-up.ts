import { type Response, Router } from 'express'
import { Problem } from '../../shared/errors.js'
import { cannotEndNow } from '../../shared/orders/expire-checkout.js'
import { giveUpOwn } from '../../shared/orders/give-up-own-checkout.js'
import { isOver, isPayable } from '../../shared/rules/state-groups.js'
import { whenGone } from '../../shared/runtime/client-gone.js'
import { type CheckoutRow, readCheckout } from '../../shared/statements/checkouts.js'
import { prefersAsync, statusPath, waitForCheckout } from '../checkout-wait.js'
import type { Ingress } from '../ingress.js'
import { ownCheckout } from '../own-checkout.js'
import { origin, requestId } from '../request-context.js'
import { statusData } from './checkout-status.js'

/**
 * DELETE /api/stripe/checkout/:id gives a checkout up: written down at once, ended at Stripe by a job, answered with how it
 * ended. Maintenance does not refuse it: it takes nothing new.
 */
export function checkoutGivingUpRoute(ingress: Ingress): Router {
  return Router().delete('/api/stripe/checkout/:id', async (request, response) => {
    const own = await ownCheckout(ingress, request, response)
    const { id } = own
    const watch = ingress.watcher.watch(id)
    whenGone(response, () => watch.stop())
    try {
      const isEnqueued = await giveUpOwn(ingress, id, { requestId: requestId(request), ...origin(request) })
      const waitMs = isEnqueued && !prefersAsync(request) ? ingress.config.payment.waitMs : 0
      const until = (checkout: CheckoutRow) => !isUnderWay(ingress, checkout)
      await waitForCheckout(ingress, response, { watch, id, waitMs, until, lookFirst: true })
      await answer(ingress, response, (await readCheckout(ingress.db.pool, id)) ?? own)
    } finally {
      watch.stop()
    }
  })
}

/** Its job has not heard from Stripe yet. */
function isUnderWay({ now }: Ingress, checkout: CheckoutRow): boolean {
  return isPayable(checkout.status) && checkout.stripeAwaySince === null && !cannotEndNow(checkout, now())
}

async function answer(ingress: Ingress, response: Response, checkout: CheckoutRow): Promise<void> {
  const { id: checkoutId, status } = checkout
  response.setHeader('Cache-Control', 'no-store')
  if (isUnderWay(ingress, checkout)) {
    response.status(202).setHeader('Location', statusPath(ingress, checkoutId))
    response.json({ success: true, data: { checkoutId, status } })
    return
  }
  if (!isOver(status)) throw whyNot(checkout)
  response.json({ success: true, data: await statusData(ingress, checkout) })
}

function whyNot({ id: checkoutId, status, stripeAwaySince }: CheckoutRow): Problem {
  if (status === 'PAID') {
    return new Problem('checkout_not_cancellable', { checkoutId, detail: 'It is paid. Ask the shop for a refund.' })
  }
  if (status === 'PROCESSING') {
    const detail = 'Its payment is under way: a bank debit, or an authorized card. Contact the shop.'
    return new Problem('checkout_not_cancellable', { checkoutId, detail })
  }
  if (stripeAwaySince !== null) {
    const detail = 'The payment provider does not answer. The checkout ends as soon as it does; ask for its status.'
    return new Problem('payment_service_away', { checkoutId, detail }, { 'Retry-After': '5' })
  }
  const detail = 'Its payment page cannot be closed at the moment. Try again in ten minutes, or contact the shop.'
  return new Problem('checkout_not_cancellable', { checkoutId, detail })
}
