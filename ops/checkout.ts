import { parseArgs } from 'node:util'
import { writeAudit } from '../shared/audit/audit.js'
import { transaction } from '../shared/database/database.js'
import { advanceOrder, enqueueDue } from '../shared/orders/advance.js'
import { expireCheckout } from '../shared/orders/expire-checkout.js'
import type { Services } from '../shared/runtime/services.js'
import { isUnknownToStripe } from '../shared/runtime/stripe-client.js'
import { type CheckoutRow, lockCheckout, moveCheckout, readCheckout } from '../shared/statements/checkouts.js'
import type { DueRow } from '../shared/statements/due-rows.js'
import { abandonPayments, findPaymentsOf } from '../shared/statements/payments.js'
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
  const unknown = values['unknown-to-stripe']
  const { pool } = services.db
  const open = await readCheckout(pool, id)
  if (open === undefined) throw new Error(`There is no checkout ${id}.`)
  if (open.status === 'PROCESSING' && !unknown) throw new Error(await whatEndsIt(services, open))
  if (open.status !== 'OPEN' && open.status !== 'VERIFIED' && open.status !== 'PROCESSING')
    throw new Error(`The checkout is ${open.status}; only an open one can be expired.`)
  await writeAudit(pool, {
    action: 'checkout_expire_requested',
    status: 'PROCESSING',
    userId: open.userId,
    orderId: open.orderId,
    checkoutId: id,
    metadata: { operator: operator(), reason, unknownToStripe: unknown }
  })
  if (unknown) {
    await refuseIfKnown(services, open)
    await release(services, open, reason)
  } else {
    await expireCheckout(services, open)
  }
  const ended = await readCheckout(pool, id)
  print(`Checkout ${id} is ${ended?.status}.`)
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

async function refuseIfKnown({ stripe, db }: Services, { id, orderId, sessionId }: CheckoutRow): Promise<void> {
  if (sessionId === null) throw new Error('Its Session is still being created.')
  const session = await unlessUnknown(stripe.checkout.sessions.retrieve(sessionId))
  if (session?.status === 'complete') {
    throw new Error(
      `Stripe knows ${sessionId}: the customer has submitted it, and its payment is ${session.payment_status}. What becomes of it comes as events; npm run ops -- reconcile asks for them.`
    )
  }
  if (session !== undefined) {
    throw new Error(`Stripe knows ${sessionId}: it is ${session.status}. Run the command without --unknown-to-stripe.`)
  }
  const payments = (await findPaymentsOf(db.pool, orderId ?? '')).filter(each => each.checkoutId === id)
  for (const { paymentIntentId } of payments.filter(each => each.paymentIntentId.startsWith('pi_'))) {
    const intent = await unlessUnknown(stripe.paymentIntents.retrieve(paymentIntentId))
    if (intent === undefined) continue
    throw new Error(
      `Stripe does not know ${sessionId}, but knows its payment ${paymentIntentId}: it is ${intent.status}. End that first, in the Stripe dashboard or with npm run ops -- order cancel ${orderId}.`
    )
  }
}

async function unlessUnknown<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer
  } catch (error) {
    if (isUnknownToStripe(error)) return undefined
    throw error
  }
}

/**
 * What nobody can pay any more gives its stock back, by a person's word. Should that be wrong (the key was of another
 * account), money that comes through it later is a payment for review.
 */
async function release(services: Services, open: CheckoutRow, reason: string): Promise<void> {
  const due: DueRow[] = []
  const now = services.now()
  await transaction(services.db.pool, async client => {
    const current = await lockCheckout(client, open.id)
    const trail = { userId: open.userId, orderId: open.orderId, checkoutId: open.id }
    const moved = await moveCheckout(client, open.id, {
      to: 'EXPIRED',
      byOperator: true,
      now,
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
    for (const payment of await abandonPayments(client, open.id, now)) {
      await writeAudit(client, {
        action: 'payment_abandoned',
        status: 'FAILED',
        ...trail,
        amount: payment.amount,
        currency: payment.currency,
        after: 'CANCELLED',
        error: reason,
        metadata: { paymentIntentId: payment.paymentIntentId, operator: operator() }
      })
    }
    if (open.orderId !== null) await advanceOrder({ services, client, due, trail, reason }, open.orderId)
  })
  await enqueueDue({ services, due })
}
