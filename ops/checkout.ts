import { parseArgs } from 'node:util'
import { writeAudit } from '../shared/audit/audit.js'
import { expireCheckout } from '../shared/orders/expire-checkout.js'
import { giveUpUnknown } from '../shared/orders/give-up-checkout.js'
import type { Services } from '../shared/runtime/services.js'
import { showTrail } from '../shared/statements/audit-trail.js'
import { type CheckoutRow, readCheckout, showCheckout } from '../shared/statements/checkouts.js'
import { findPaymentsOf } from '../shared/statements/payments.js'
import { operator, withServices } from './environment.js'
import { print, printJson } from './print.js'
import { required, UsageError } from './usage-error.js'

export async function checkout([action, given, ...args]: string[]): Promise<void> {
  if (action !== 'show' && action !== 'expire') throw new UsageError('checkout takes show or expire.')
  const id = required(given, 'The checkout’s id')
  await withServices(services => (action === 'show' ? show(services, id) : expire(services, id, args)))
}

async function show({ db }: Services, id: string): Promise<void> {
  const found = await showCheckout(db, id)
  if (found === null) throw new Error(`There is no checkout ${id}.`)
  printJson({ ...found, audit: await showTrail(db, { checkoutId: id }) })
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
    await giveUpUnknown(services, open, { operator: operator(), reason })
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
