import { TerminalError } from '../../errors.js'
import type { CheckoutRow } from '../../statements/checkouts.js'
import { findPayment, recordPayment } from '../../statements/payments.js'
import type { LockedEvent } from '../../statements/webhook-events.js'
import type { Change } from '../change.js'
import { presentIdOf, refuse } from './fields.js'
import type { Lookups } from './lookups.js'

export * from './fields.js'

/** A stored event, before anything is known about its object. */
export interface StripeEvent {
  id: string
  object?: string
  type: string
  created: number
  /** The connected account that it is of. */
  account?: string
  /** Of an organization's destination, the account; of a thin event, whose object it is about. */
  context?: string | null
  data: { object: Record<string, unknown> }
}

export interface AppliedEvent {
  status: 'PROCESSED' | 'IGNORED'
  checkoutId: string | null
  note: string | null
}

export interface EventContext extends Change {
  row: LockedEvent
  event: StripeEvent
  lookups: Lookups
  /** The orders that follow from the facts that were added, each with the event that added the last of them. */
  following: Map<string, Change>
}

export type EventHandler = (context: EventContext) => Promise<AppliedEvent>

/** It bears the name of this installation and names a checkout, but this database has no such checkout. */
export class UnknownCheckoutError extends Error {
  override readonly name = 'UnknownCheckoutError'
  constructor(
    what: string,
    readonly checkoutId: string
  ) {
    super(`${what} names checkout ${checkoutId}, which is not in this database`)
  }
}

export const NOT_OURS: AppliedEvent = {
  status: 'IGNORED',
  checkoutId: null,
  note: 'it is of a neighbour on the same Stripe account'
}

/** The event's object, which has to be of this kind and to have an id. */
export function objectOf<T>(context: EventContext, kind: string): T {
  const object = context.event.data?.object as { object?: unknown; id?: unknown } | null | undefined
  if (object?.object !== kind) refuse('object', object?.object, `a ${kind}`)
  presentIdOf(object.id, 'id')
  return object as T
}

export interface OwnCheckout extends CheckoutRow {
  orderId: string
}

export function ownCheckout(checkout: CheckoutRow): OwnCheckout {
  const { orderId } = checkout
  if (orderId === null) throw new TerminalError(`checkout ${checkout.id} has no order`)
  return { ...checkout, orderId }
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

/** The order follows once all events that are applied with this one have added what they tell (decision 0006). */
export function follow(context: EventContext, orderId: string): void {
  context.following.set(orderId, context)
}

export function processed(checkout: OwnCheckout, note: string | null = null): AppliedEvent {
  return { status: 'PROCESSED', checkoutId: checkout.id, note }
}
