import type { Request } from 'express'
import { alertOnce } from '../shared/audit/alerts.js'
import { messageOf } from '../shared/errors.js'
import type { Customer } from '../shared/identity/customer-claims.js'
import type { Ingress } from './ingress.js'
import { origin, requestId } from './request-context.js'

/**
 * Somebody asks for what belongs to another customer: they are told that it does not exist, and the audit trail has an
 * alert. It is written beside the answer, so that not even its time tells the two cases apart.
 */
export function reportStranger(
  ingress: Ingress,
  request: Request,
  customer: Customer,
  what: { orderId?: string | null; checkoutId?: string }
): void {
  const context = { userId: customer.userId, ...what, requestId: requestId(request), from: origin(request) }
  const reason = `${customer.userId} asked for ${request.method} ${request.path}, which belongs to another customer`
  alertOnce(ingress.db.pool, ingress.log, 'order_of_another_user', { ...context, reason }).catch(error =>
    ingress.log.error(
      { ...what, requestId: requestId(request), reason: messageOf(error) },
      'an alert could not be written'
    )
  )
}
