import type Stripe from 'stripe'
import { alertUnlessOpen } from '../../audit/alerts.js'
import { SECOND } from '../../duration.js'
import { type Owner, ownerOf } from '../../rules/ownership.js'
import { type CheckoutRow, lockCheckout, mayPayUnseen, readCheckout } from '../../statements/checkouts.js'
import { findPayment, findPaymentOfCharge, type PaymentRow } from '../../statements/payments.js'
import { type EventContext, type OwnCheckout, ownCheckout, UnknownCheckoutError } from './context.js'
import { idOf, optional, timeOf } from './fields.js'

// Whose an object is, and of which checkout (docs/decisions/0028).

interface Labelled {
  id: string
  metadata?: Stripe.Metadata | null
}

type Find = (db: EventContext['client'], checkoutId: string) => Promise<CheckoutRow | undefined>

/** What the metadata of an object says of its owner; that of an object with our checkout but another name is an alert. */
export async function readOwner(context: EventContext, { id, metadata }: Labelled): Promise<Owner> {
  const owner = ownerOf(metadata, context.row.installation)
  if (owner.whose === 'another' && owner.checkoutId !== undefined) {
    await warnOfLostName(context, id, owner.name, owner.checkoutId)
  }
  return owner
}

/**
 * The checkout of a PaymentIntent or of its charge, locked; undefined for a neighbour's. Both bear the metadata that we have
 * given the intent (https://docs.stripe.com/api/metadata), so that one that says nothing and has no row is a neighbour's.
 */
export async function lockPayer(context: EventContext, object: Labelled, intentId: string) {
  return await findPayer(context, object, intentId, lockCheckout)
}

/** As lockPayer(), for a handler that moves nothing. */
export async function readPayer(context: EventContext, object: Labelled, intentId: string) {
  return await findPayer(context, object, intentId, readCheckout)
}

async function findPayer(
  context: EventContext,
  object: Labelled,
  intentId: string,
  find: Find
): Promise<OwnCheckout | undefined> {
  const owner = await readOwner(context, object)
  const named = await findNamed(context, owner, object, find)
  if (named !== undefined) return named
  const payment = owner.whose === 'silent' ? await findPayment(context.client, intentId) : undefined
  if (payment !== undefined) return await ofPayment(context, payment, find)
  context.services.neighbours.add(intentId)
  return undefined
}

/** The checkout that an object names, locked; undefined when it names none of ours. */
export async function lockNamed(context: EventContext, owner: Owner, object: Labelled) {
  return await findNamed(context, owner, object, lockCheckout)
}

async function findNamed(
  { client }: EventContext,
  owner: Owner,
  { id }: Labelled,
  find: Find
): Promise<OwnCheckout | undefined> {
  if (owner.whose === 'another' || owner.whose === 'silent') return undefined
  const checkout = await find(client, owner.checkoutId)
  if (checkout !== undefined) return ownCheckout(checkout)
  // One without a name is of another shop of a release before names, or of whoever has a `checkoutId`, too.
  if (owner.whose === 'unnamed') return undefined
  throw new UnknownCheckoutError(id, owner.checkoutId)
}

async function ofPayment({ client }: EventContext, { checkoutId }: PaymentRow, find: Find): Promise<OwnCheckout> {
  return ownCheckout((await find(client, checkoutId)) as CheckoutRow)
}

/** What a refund, a dispute, a review or a warning says of the payment that it is about: nothing but ids. */
export interface AboutPayment {
  id: string
  created?: number
  metadata?: Stripe.Metadata | null
  payment_intent?: string | Stripe.PaymentIntent | null
  charge?: string | Stripe.Charge | null
}

export interface Paid {
  checkout: OwnCheckout
  paymentIntentId: string
}

/**
 * The payment of ours that an object is about, its checkout locked; undefined for a neighbour's. Our row decides, or what of
 * the payment is expanded. Only when neither says it, and a checkout of ours may have been paid of which nothing was told
 * yet, is Stripe asked; a neighbour's payment is then remembered.
 */
export async function lockPaid(context: EventContext, object: AboutPayment): Promise<Paid | undefined> {
  const chargeId = idOf(object.charge, 'charge')
  const intentId = idOf(object.payment_intent, 'payment_intent') ?? intentOfCharge(object.charge)
  const { client, row } = context
  if (ownerOf(object.metadata, row.installation).whose === 'another') return undefined
  const known = async () => {
    const payment = await findKnown(client, intentId, chargeId)
    if (payment === undefined) return undefined
    return { checkout: await ofPayment(context, payment, lockCheckout), paymentIntentId: payment.paymentIntentId }
  }
  const before = await known()
  if (before !== undefined) return before
  // A payment of ours has a PaymentIntent; releases of the API before 2020 leave it out.
  const reference = intentId ?? (object.payment_intent === undefined ? chargeId : null)
  if (reference === null) return undefined
  const paid = expandedOf(object) ?? (await lookUpPaid(context, object, reference))
  // Another event may have told of it after the first look, so that no checkout could be paid unheard of any more.
  if (paid === undefined) return await known()
  const paymentIntentId = paid.object === 'payment_intent' ? paid.id : idOf(paid.payment_intent, 'payment_intent')
  if (paymentIntentId === null) {
    context.services.neighbours.add(reference)
    return undefined
  }
  const checkout = await lockPayer(context, paid, paymentIntentId)
  if (checkout !== undefined) return { checkout, paymentIntentId }
  context.services.neighbours.add(reference)
  return undefined
}

async function findKnown(client: EventContext['client'], intentId: string | null, chargeId: string | null) {
  if (intentId !== null) return await findPayment(client, intentId)
  return chargeId === null ? undefined : await findPaymentOfCharge(client, chargeId)
}

function intentOfCharge(charge: AboutPayment['charge']): string | null {
  return typeof charge === 'object' ? idOf(charge?.payment_intent, 'charge.payment_intent') : null
}

function expandedOf({ payment_intent: intent, charge }: AboutPayment) {
  if (typeof intent === 'object' && intent?.metadata !== undefined) return intent
  return typeof charge === 'object' && charge?.metadata !== undefined ? charge : undefined
}

/** Undefined when Stripe need not be asked, or does not have it. */
async function lookUpPaid(context: EventContext, object: AboutPayment, reference: string) {
  const { services, client, lookups, event } = context
  if (services.neighbours.has(reference)) return undefined
  if (!lookups.has(reference)) {
    const at = optional(timeOf, object.created, 'created') ?? new Date(event.created * SECOND)
    if (!(await mayPayUnseen(client, at))) return undefined
  }
  const found = reference.startsWith('pi_') ? lookups.intent(reference) : lookups.charge(reference)
  return found ?? undefined
}

/**
 * It bears a name that this installation does not have, and is for a checkout of this database: the name was lost with a
 * backup of before it was made, or this is a copy of the database of another. A person knows which.
 */
async function warnOfLostName(context: EventContext, what: string, name: string, checkoutId: string): Promise<void> {
  const { client, services, row } = context
  if ((await readCheckout(client, checkoutId)) === undefined) return
  const reason = `${what} of installation ${name} is for checkout ${checkoutId}, which is in this database; this is ${row.installation[0]}`
  await alertUnlessOpen(client, services.log, 'installation_name_lost', { eventId: row.id, subject: name, reason })
}
