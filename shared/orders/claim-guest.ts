import type { AuditEntry } from '../audit/audit.js'
import { writeAudit } from '../audit/audit.js'
import { Problem } from '../errors.js'
import type { Services } from '../runtime/services.js'
import { giveTo, recordClaim } from '../statements/guests.js'
import { inChange } from './change.js'

export interface GuestClaimRequest {
  guestId: string
  userId: string
  requestId: string
  ipAddress: string | null
  userAgent: string | null
}

/**
 * Moves a guest's orders and checkouts, running ones too, to a customer. Done twice is done once. A Problem when another
 * customer was first.
 */
export async function claimGuest(
  services: Services,
  request: GuestClaimRequest
): Promise<{ orders: string[]; checkouts: string[] }> {
  const { guestId, userId, ...from } = request
  return await inChange(services, { userId, requestId: from.requestId }, async ({ client }) => {
    const claim = await recordClaim(client, { guestId, userId, now: services.now() })
    if (claim.userId !== userId) {
      throw new Problem('guest_claimed', { detail: 'Another customer has claimed the orders of this guest session.' })
    }
    const { orders, checkouts } = await giveTo(client, { guestId, userId })
    const entry = (about: Partial<AuditEntry>): AuditEntry => ({
      action: 'order_claimed',
      status: 'SUCCESS',
      userId,
      before: guestId,
      after: userId,
      ...from,
      ...about
    })
    const loose = checkouts.filter(checkout => checkout.orderId === null || !orders.includes(checkout.orderId))
    const rows = [
      ...orders.sort().map(orderId => entry({ orderId })),
      ...loose.map(({ id, orderId }) => entry({ action: 'checkout_claimed', checkoutId: id, orderId })),
      ...(claim.isNew ? [entry({ action: 'guest_claimed' })] : [])
    ]
    if (rows.length > 0) await writeAudit(client, ...rows)
    return { orders, checkouts: checkouts.map(({ id }) => id) }
  })
}
