import type Stripe from 'stripe'
import { TerminalError } from '../../errors.js'
import { type CheckoutRow, lockCheckout, readCheckout } from '../../statements/checkouts.js'
import { findPayment, recordPayment } from '../../statements/payments.js'
import type { WebhookEventRow } from '../../statements/webhook-events.js'
import type { Change } from '../change.js'
import { ownIdOf, presentIdOf, refuse } from './fields.js'
import type { Lookups } from './lookups.js'

export * from './fields.js'

/** A stored event, before anything is known about its object. */
export interface StripeEvent {
  id: string
  type: string
  created: number
  data: { object: Record<string, unknown> }
}

export interface AppliedEvent {
  status: 'PROCESSED' | 'IGNORED'
  checkoutId: string | null
  note: string | null
}

export interface EventContext extends Change {
  row: WebhookEventRow
  event: StripeEvent
  lookups: Lookups
}

export type EventHandler = (context: EventContext) => Promise<AppliedEvent>

/** Its metadata names a checkout, but this database has no such checkout (yet). */
export class UnknownCheckoutError extends Error {
  override readonly name = 'UnknownCheckoutError'
}

export const NOT_OURS: AppliedEvent = { status: 'IGNORED', checkoutId: null, note: 'it is not of this shop' }

/** The event's object, which has to be of this kind and to have an id. */
export function objectOf<T>(context: EventContext, kind: string): T {
  const object = context.event.data?.object as { object?: unknown; id?: unknown } | null | undefined
  if (object?.object !== kind) refuse('object', object?.object, `a ${kind}`)
  presentIdOf(object.id, 'id')
  return object as T
}

/** The checkout that an object says it is for; only what can be an id of ours counts. */
export function checkoutIdOf(object: { metadata?: Stripe.Metadata | null }): string | undefined {
  return ownIdOf(object.metadata?.checkoutId)
}

export interface OwnCheckout extends CheckoutRow {
  orderId: string
}

/** The checkout with this id, locked. */
export async function lockOwnCheckout(context: EventContext, checkoutId: string, what: string): Promise<OwnCheckout> {
  return known(await lockCheckout(context.client, checkoutId), checkoutId, what)
}

/** The checkout with this id, for a handler that moves nothing. */
export async function readOwnCheckout(context: EventContext, checkoutId: string, what: string): Promise<OwnCheckout> {
  return known(await readCheckout(context.client, checkoutId), checkoutId, what)
}

function known(checkout: CheckoutRow | undefined, checkoutId: string, what: string): OwnCheckout {
  if (checkout === undefined) {
    throw new UnknownCheckoutError(`${what} names checkout ${checkoutId}, which is not in this database`)
  }
  return ownCheckout(checkout)
}

export function ownCheckout(checkout: CheckoutRow): OwnCheckout {
  const { orderId } = checkout
  if (orderId === null) throw new TerminalError(`checkout ${checkout.id} has no order`)
  return { ...checkout, orderId }
}

/** The checkout that a PaymentIntent pays, locked: by our row, or by the metadata of the intent at Stripe. Undefined: not ours. */
export async function lockPaid(context: EventContext, paymentIntentId: string): Promise<OwnCheckout | undefined> {
  const payment = await findPayment(context.client, paymentIntentId)
  if (payment !== undefined) return await lockOwnCheckout(context, payment.checkoutId, paymentIntentId)
  const intent = context.lookups.intent(paymentIntentId)
  const checkoutId = intent === null ? undefined : checkoutIdOf(intent)
  return checkoutId === undefined ? undefined : await lockOwnCheckout(context, checkoutId, paymentIntentId)
}

/** A refund or a dispute can be known before its payment: what it then says of it is that there is one. */
export async function ensurePayment(
  { client, services }: Change,
  { orderId, id: checkoutId }: OwnCheckout,
  payment: { paymentIntentId: string; amount: number; currency: string }
): Promise<void> {
  if ((await findPayment(client, payment.paymentIntentId)) !== undefined) return
  const hint = { ...payment, teller: 'hint', orderId, checkoutId, status: 'PENDING', now: services.now() } as const
  await recordPayment(client, hint)
}

/** Who and what the event turned out to be about, for the audit trail. */
export function about<C extends EventContext>(context: C, checkout: OwnCheckout): C {
  return {
    ...context,
    trail: {
      userId: checkout.userId,
      orderId: checkout.orderId,
      checkoutId: checkout.id,
      eventId: context.row.id,
      requestId: context.row.requestId
    }
  }
}

export function processed(checkout: OwnCheckout, note: string | null = null): AppliedEvent {
  return { status: 'PROCESSED', checkoutId: checkout.id, note }
}
