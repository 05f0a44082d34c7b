import { parseArgs } from 'node:util'
import { writeAudit } from '../shared/audit.js'
import { transaction } from '../shared/database.js'
import type { Services } from '../shared/services.js'
import { type CheckoutRow, lockCheckout, moveCheckout, readCheckout } from '../shared/statements/checkouts.js'
import { isUnknownToStripe } from '../shared/stripe.js'
import { expireCheckout } from '../workers/session-expiry.js'
import { announce, settleOrder } from '../workers/settlement.js'
import { operator, withServices } from './environment.js'
import { print, printJson } from './print.js'
import { required, UsageError } from './usage-error.js'

export async function checkout([action, given, ...args]: string[]): Promise<void> {
  if (action !== 'show' && action !== 'expire') throw new UsageError('checkout takes show or expire.')
  const id = required(given, 'The checkout’s id')
  await withServices(services => (action === 'show' ? show(services, id) : expire(services, id, args)))
}

async function show({ db }: Services, id: string): Promise<void> {
  const found = await db.prisma.checkout.findUnique({
    where: { id },
    include: { reservations: true, payments: true }
  })
  if (found === null) throw new Error(`There is no checkout ${id}.`)
  const audit = await db.prisma.paymentAuditLog.findMany({ where: { checkoutId: id }, orderBy: { id: 'asc' } })
  printJson({ ...found, audit })
}

/** Ends an open checkout at Stripe; a customer who was faster keeps the payment. */
async function expire(services: Services, id: string, args: string[]): Promise<void> {
  const options = { reason: { type: 'string' }, 'unknown-to-stripe': { type: 'boolean', default: false } } as const
  const { values } = parseArgs({ args, options })
  const reason = required(values.reason, '--reason')
  const { pool } = services.db
  const open = await readCheckout(pool, id)
  if (open === undefined) throw new Error(`There is no checkout ${id}.`)
  if (open.status !== 'OPEN' && open.status !== 'VERIFIED')
    throw new Error(`The checkout is ${open.status}; only an open one can be expired.`)
  await writeAudit(pool, {
    action: 'checkout_expire_requested',
    status: 'PROCESSING',
    userId: open.userId,
    orderId: open.orderId,
    checkoutId: id,
    metadata: { operator: operator(), reason, unknownToStripe: values['unknown-to-stripe'] }
  })
  if (values['unknown-to-stripe']) {
    await refuseIfKnown(services, open)
    await release(services, open, reason)
  } else {
    await expireCheckout(services, open)
  }
  const ended = await readCheckout(pool, id)
  print(`Checkout ${id} is ${ended?.status}.`)
}

async function refuseIfKnown({ stripe }: Services, { sessionId }: CheckoutRow): Promise<void> {
  if (sessionId === null) throw new Error('Its Session is still being created.')
  const session = await stripe.checkout.sessions.retrieve(sessionId).catch(error => {
    if (isUnknownToStripe(error)) return undefined
    throw error
  })
  if (session === undefined) return
  throw new Error(`Stripe knows ${sessionId}: it is ${session.status}. Run the command without --unknown-to-stripe.`)
}

/** What nobody can pay any more gives its stock back, by a person's word. */
async function release(services: Services, open: CheckoutRow, reason: string): Promise<void> {
  const notifications: string[] = []
  await transaction(services.db.pool, async client => {
    const current = await lockCheckout(client, open.id)
    const trail = { userId: open.userId, orderId: open.orderId, checkoutId: open.id }
    const moved = await moveCheckout(client, open.id, {
      to: 'EXPIRED',
      byOperator: true,
      now: services.now(),
      audit: [
        {
          action: 'checkout_expired',
          status: 'FAILED',
          ...trail,
          before: current?.status,
          after: 'EXPIRED',
          error: reason,
          metadata: { operator: operator(), unknownToStripe: true }
        }
      ]
    })
    if (!moved) throw new Error(`The checkout is ${current?.status} by now.`)
    if (open.orderId !== null) await settleOrder({ services, client, notifications, trail, reason }, open.orderId)
  })
  await announce({ services, notifications })
}
