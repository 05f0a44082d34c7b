import type { PaymentAuditLog } from '../prisma/generated/client.js'
import { timelineOf } from '../shared/orders/timeline.js'
import type { showCheckout } from '../shared/statements/checkouts.js'
import { amountText } from './amount.js'
import { localTime } from './local-time.js'
import { print } from './print.js'
import { printTable } from './table.js'
import { viewTimeline } from './timeline-view.js'

type Shown = NonNullable<Awaited<ReturnType<typeof showCheckout>>> & { audit: PaymentAuditLog[] }

/** A checkout as a person looks at it. */
export function viewCheckout(checkout: Shown): void {
  const { id, status, userId, email, orderId, amount, currency, createdAt } = checkout
  print(`Checkout ${id}  ${status}`)
  print(`Customer ${userId} (${email}), started ${localTime(createdAt)}`)
  print(`Order ${orderId ?? 'none'}, ${amount === null ? 'not priced yet' : amountText(amount, currency)}`)
  const { sessionId, sessionExpiresAt, ipAddress, network, refusal } = checkout
  if (sessionId !== null)
    print(`Session ${sessionId}${sessionExpiresAt === null ? '' : `, good until ${localTime(sessionExpiresAt)}`}`)
  if (ipAddress !== null) print(`From ${ipAddress}${network === null ? '' : `, network ${network}`}`)
  if (refusal !== null) print(`Refused: ${JSON.stringify(refusal)}`)
  if (checkout.reservations.length > 0) {
    print('\nReserved')
    printTable(
      [
        ['QUANTITY', 'PRODUCT', 'STATUS'],
        ...checkout.reservations.map(each => [String(each.quantity), each.productId, each.status])
      ],
      ['QUANTITY']
    )
  }
  if (checkout.payments.length > 0) {
    print('\nPayments')
    printTable(
      [
        ['PAYMENT', 'STATUS', 'AMOUNT'],
        ...checkout.payments.map(each => [each.paymentIntentId, each.status, amountText(each.amount, each.currency)])
      ],
      ['AMOUNT']
    )
  }
  print('\nWhat happened')
  viewTimeline(timelineOf({ audit: checkout.audit, events: [], postings: [], notifications: [], signals: [] }))
}
