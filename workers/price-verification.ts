import { alertOnce } from '../shared/audit/alerts.js'
import type { Client } from '../shared/database/database.js'
import { MINUTE } from '../shared/duration.js'
import type { CartError } from '../shared/errors.js'
import { isGuest } from '../shared/identity/user-ids.js'
import { type MinorUnits, minor, toDecimalString } from '../shared/money.js'
import { cancelOrder } from '../shared/orders/advance.js'
import { type Change, inChange, trailOf } from '../shared/orders/change.js'
import { cannotEndNow, endIfPossible, failedSince } from '../shared/orders/expire-checkout.js'
import type { CartItem } from '../shared/rules/cart.js'
import { cartErrors, isStockError } from '../shared/rules/cart-errors.js'
import { checkoutOutcome, type Refusal } from '../shared/rules/checkout-outcome.js'
import { decideFraud, type FraudDecision, type FraudSignals } from '../shared/rules/fraud.js'
import { shippingFor } from '../shared/rules/shipping.js'
import { fraudDecisions } from '../shared/runtime/metrics.js'
import type { Services } from '../shared/runtime/services.js'
import {
  type CheckoutRow,
  findOldestHolder,
  findOpenOf,
  findOpenOfGuests,
  lockWithCustomer,
  moveCheckout
} from '../shared/statements/checkouts.js'
import { readFraudSignals } from '../shared/statements/fraud.js'
import {
  fillOrder,
  findSiblings,
  lockOrder,
  type OrderLine,
  readCountry,
  readOrderLines
} from '../shared/statements/orders.js'
import { heldBy, lockProducts, type ProductRow, reserveStock } from '../shared/statements/stock.js'
import type { Job } from './job.js'
import { type PayableCheckout, sessionParams } from './session-params.js'

/** Older checkouts that one try may ask Stripe to end; the next try goes on with what is left. */
const MAX_ASKED = 10

/** Checks a cart against the database and reserves its stock: RECEIVED → VERIFIED or REJECTED, in one transaction. */
export const priceVerification: Job<'price-verification'> = {
  name: 'price-verification',
  async handle(services, { checkoutId }) {
    let result = await verifyCart(services, checkoutId)
    for (let asked = 0; result.replaces !== undefined && asked < MAX_ASKED; asked++) {
      // One Session per order, a few per customer, none abandoned while others wait for its goods: it ends first, by
      // Stripe's word (docs/golden-rules.md, 6 and 10). One that Stripe does not end is left out from then on.
      await endIfPossible(services, result.replaces)
      result = await verifyCart(services, checkoutId)
    }
    if (result.replaces !== undefined) throw new Error(`Checkout ${result.replaces.id} has to end first`)
    if (result.verified) await services.queues.enqueue('session-creation', checkoutId)
  }
}

interface Verification {
  verified: boolean
  /** The open checkout that has to end first; nothing was written. */
  replaces?: CheckoutRow
}

async function verifyCart(services: Services, checkoutId: string): Promise<Verification> {
  return await inChange(services, { checkoutId }, change => verify(change, checkoutId))
}

type Context = Pick<Change, 'services' | 'client' | 'due'>

interface Verdict {
  orderId: string
  /** The order takes the cart's lines: it came with this cart, or with an earlier one that was not paid. */
  fills: boolean
  lines: OrderLine[]
  subtotal: MinorUnits
  shipping: MinorUnits
  total: MinorUnits
}

async function verify(context: Context, checkoutId: string): Promise<Verification> {
  const { services, client } = context
  const checkout = await lockWithCustomer(client, checkoutId)
  if (checkout === undefined) throw new Error(`There is no checkout ${checkoutId}`)
  // A second job for a verified checkout (after a crash between commit and enqueue) only has to enqueue what follows.
  if (checkout.status !== 'RECEIVED') return { verified: checkout.status === 'VERIFIED' }

  const { decision, reasons } = await assess(services, client, checkout)
  // Marked: the limit was passed since, by a decline that this statement's count may not see.
  if (decision === 'block' || checkout.expireReason !== null) {
    const internal = [...reasons, ...(checkout.expireReason === null ? [] : [checkout.expireReason])].join('; ')
    const detail = 'This checkout is not possible at the moment. Contact the shop.'
    return await reject(context, checkout, { code: 'payment_blocked', extras: { detail } }, internal)
  }

  const { currency } = services.config.payment
  if (checkout.currency !== currency) {
    // Limits and shipping are in the shop's currency.
    const detail = `The shop sells in ${currency} by now, not in ${checkout.currency}. Load the products again.`
    return await reject(context, checkout, { code: 'cart_refused', extras: { detail } })
  }

  const order = await orderOf(services, client, checkout)
  if ('code' in order) return await reject(context, checkout, order)

  const products = await lockProducts(
    client,
    checkout.cart.items.map(item => item.productId)
  )
  const replaced = await findReplaced(services, client, checkout, order.open)
  const held = await heldBy(
    client,
    replaced.map(({ id }) => id)
  )
  const freed = new Map([...products].map(([id, product]) => [id, freeing(product, held)]))
  const errors = checkout.cart.items.flatMap(item => cartErrors(item, freed.get(item.productId), checkout.currency))
  // The amounts of a cart that is right but for the stock are judged first: no Session ends for one that they refuse.
  const verdict = errors.every(isStockError) ? judge(services, checkout, products, order) : undefined
  if (verdict !== undefined && !('code' in verdict)) {
    const abandoned = await findAbandoned(services, client, checkout, freed, errors, replaced)
    if (abandoned !== undefined) return { verified: false, replaces: abandoned }
  }
  if (verdict === undefined || errors.length > 0) {
    return await reject(context, checkout, { code: 'cart_refused', extras: { details: errors } })
  }
  if ('code' in verdict) return await reject(context, checkout, verdict)
  if (replaced.length > 0) return { verified: false, replaces: replaced[0] }
  await accept(services, client, checkout, verdict, decision === 'challenge' ? reasons : [])
  return { verified: true }
}

/** What the fraud rules say, counted. */
async function assess(services: Services, client: Client, checkout: CheckoutRow): Promise<FraudDecision> {
  const { fraud } = services.config
  if (!fraud.enabled) return { decision: 'allow', reasons: [] }
  const { userId, network, id } = checkout
  const subject = { userId, network, exceptId: id }
  const signals = await readFraudSignals(client, subject, fraud, services.now())
  const countries = await countriesOf(services, client, checkout)
  const decided = decideFraud({ ...signals, countries }, fraud)
  fraudDecisions.inc({ decision: decided.decision, reason: decided.reasons[0]?.replace(/\d+/g, 'n') ?? 'none' })
  return decided
}

/** Where the request came from and where its order goes; undefined unless both are known and are to be compared. */
async function countriesOf(
  { countryOf }: Services,
  client: Client,
  checkout: CheckoutRow
): Promise<FraudSignals['countries']> {
  if (countryOf === undefined || checkout.ipAddress === null || checkout.cart.orderId === undefined) return undefined
  const request = countryOf(checkout.ipAddress)
  const order = await readCountry(client, checkout.cart.orderId)
  return request === undefined || order === undefined ? undefined : { request, order }
}

/**
 * A checkout that holds what this cart wants and has been open for long without a payment, when stock is all that is
 * wrong with the cart. It ends early, so that nobody can empty the shop by opening Sessions; and only if that is enough,
 * so that nobody can end them by asking for what the shop does not have.
 */
async function findAbandoned(
  { config, now }: Services,
  client: Client,
  checkout: CheckoutRow,
  products: Map<string, ProductRow>,
  errors: CartError[],
  replaced: CheckoutRow[]
): Promise<CheckoutRow | undefined> {
  if (errors.length === 0 || config.reservations.minMinutes === 0) return undefined
  const short = errors.map(({ productId }) => {
    const product = products.get(productId) as ProductRow
    const wanted = checkout.cart.items.find(item => item.productId === productId)?.quantity ?? 0
    return { productId, quantity: wanted - (product.stock - product.reserved) }
  })
  const openedBefore = new Date(now().getTime() - config.reservations.minMinutes * MINUTE)
  return await findOldestHolder(client, short, {
    openedBefore,
    failedSince: failedSince(now()),
    // What these give back is counted already.
    except: [checkout.id, ...replaced.map(({ id }) => id)]
  })
}

/**
 * The checkouts that have to end before this one may open: the one of its order, and the customer's oldest beyond
 * RESERVATION_MAX_OPEN, or those of all guests of the network beyond GUESTS_PER_IP times that. Those that Stripe did not end just now are nothing that the customer could do something about: they
 * do not count.
 */
async function findReplaced(
  { config, now }: Services,
  client: Client,
  checkout: CheckoutRow,
  ofOrder: CheckoutRow | undefined
): Promise<CheckoutRow[]> {
  const { maxOpen } = config.reservations
  const replaced = ofOrder === undefined ? [] : [ofOrder]
  const counts = (each: CheckoutRow) => !replaced.some(({ id }) => id === each.id) && !cannotEndNow(each, now())
  replaced.push(...beyond((await findOpenOf(client, checkout.userId, checkout.id)).filter(counts), maxOpen))
  if (isGuest(checkout.userId) && checkout.network !== null) {
    const ofGuests = await findOpenOfGuests(client, checkout.network, checkout.id)
    replaced.push(...beyond(ofGuests.filter(counts), maxOpen * config.guests.guestsPerIp))
  }
  return replaced
}

/** Those that have to end so that one more is no more than `maxOpen`. */
function beyond(open: CheckoutRow[], maxOpen: number): CheckoutRow[] {
  const excess = Math.max(0, open.length - maxOpen + 1)
  // One whose Session is still being created can be ended in a moment, the others now.
  return [...open.filter(each => each.sessionId !== null), ...open.filter(each => each.sessionId === null)].slice(
    0,
    excess
  )
}

/** The product as it will be once the checkouts that are to be replaced have given their stock back. */
function freeing(product: ProductRow, held: Map<string, number>): ProductRow {
  return { ...product, reserved: product.reserved - (held.get(product.id) ?? 0) }
}

interface PayableOrder {
  id: string
  /** What the order says, when it did not come with a cart: the cart then has to say the same. */
  fixed?: { lines: OrderLine[]; shipping: number; total: number }
  /** A checkout of this order that is still open. */
  open?: CheckoutRow
}

/** The order that the checkout pays: its own, or the customer's that the cart names. */
async function orderOf(services: Services, client: Client, checkout: CheckoutRow): Promise<PayableOrder | Refusal> {
  const named = checkout.cart.orderId
  if (named === undefined) return { id: checkout.orderId as string }
  const order = await lockOrder(client, named)
  if (order === undefined) return { code: 'order_not_found', extras: { detail: `There is no order ${named}.` } }
  if (order.userId !== checkout.userId) {
    const { userId, requestId, ipAddress, userAgent } = checkout
    await alertOnce(client, services.log, 'order_of_another_user', {
      userId,
      orderId: named,
      checkoutId: checkout.id,
      requestId,
      from: { ipAddress, userAgent },
      reason: `${userId} tried to pay an order of another user`
    })
    return { code: 'not_owner', extras: { detail: 'This order belongs to another customer.' } }
  }
  // An order has one currency, whatever the shop's is by now.
  if (order.currency !== checkout.currency) {
    const detail = `The order is in ${order.currency} and the shop sells in ${checkout.currency}. Create a new order.`
    return { code: 'order_not_payable', extras: { detail } }
  }
  if (order.status !== 'PENDING' || order.total === null || order.shipping === null) {
    return {
      code: 'order_not_payable',
      extras: { detail: `The order is ${order.status}; only a PENDING order can be paid.` }
    }
  }
  const siblings = await findSiblings(client, named, checkout.id)
  const open = siblings.find(sibling => sibling.status === 'OPEN' || sibling.status === 'VERIFIED')
  if (open !== undefined && cannotEndNow(open, services.now())) {
    // Two pages to pay one order at would be paid twice one day.
    const detail = `Its payment page of checkout ${open.id} cannot be closed at the moment. Pay there, or contact the shop.`
    return { code: 'order_not_payable', extras: { detail } }
  }
  if (siblings.some(sibling => sibling.ownsOrder)) return { id: named, open }
  const lines = await readOrderLines(client, named)
  return { id: named, open, fixed: { lines, shipping: order.shipping, total: order.total } }
}

/** The verified lines and totals, or why the amounts or the order's lines do not allow the payment. */
function judge(
  services: Services,
  checkout: CheckoutRow,
  products: Map<string, ProductRow>,
  order: PayableOrder
): Verdict | Refusal {
  const { payment, shipping: shippingRule } = services.config
  const { currency } = checkout
  const lines = checkout.cart.items.map(item => verifiedLine(item, products.get(item.productId) as ProductRow))
  const subtotal = minor(lines.reduce((sum, line) => sum + line.unitPrice * line.quantity, 0))
  const shipping = order.fixed === undefined ? shippingFor(subtotal, shippingRule) : minor(order.fixed.shipping)
  const total = minor(subtotal + shipping)
  if (order.fixed !== undefined) {
    const differences = lineDifferences(lines, order.fixed.lines)
    if (differences.length > 0 || total !== order.fixed.total) {
      const detail = 'The cart is not what the order says. Create a new order for a changed cart.'
      return { code: 'cart_refused', extras: { detail, details: differences } }
    }
  }
  if (total < payment.minAmount || total > payment.maxAmount) {
    const [low, high] = [payment.minAmount, payment.maxAmount].map(limit => toDecimalString(limit, currency))
    const detail = `The total is ${toDecimalString(total, currency)} ${currency}; it has to be from ${low} to ${high}.`
    return { code: 'amount_refused', extras: { detail } }
  }
  return { orderId: order.id, fills: order.fixed === undefined, lines, subtotal, shipping, total }
}

function verifiedLine(item: CartItem, product: ProductRow): OrderLine {
  return {
    productId: product.id,
    name: product.name,
    description: product.description,
    image: product.image,
    unitPrice: product.price,
    quantity: item.quantity
  }
}

function lineDifferences(cart: OrderLine[], ordered: OrderLine[]): CartError[] {
  const wanted = new Map(ordered.map(line => [line.productId, line]))
  const errors = cart.flatMap(line => {
    const match = wanted.get(line.productId)
    wanted.delete(line.productId)
    if (match?.quantity === line.quantity && match.unitPrice === line.unitPrice) return []
    return [{ productId: line.productId, error: match === undefined ? 'Not in the order' : 'Differs from the order' }]
  })
  return [...errors, ...[...wanted.keys()].map(productId => ({ productId, error: 'Missing from the cart' }))]
}

async function accept(
  services: Services,
  client: Client,
  checkout: CheckoutRow,
  verdict: Verdict,
  challenge: string[]
): Promise<void> {
  const now = services.now()
  if (!(await reserveStock(client, checkout.id, verdict.lines, now))) {
    throw new Error('Stock that was just seen could not be reserved')
  }
  if (verdict.fills) {
    const { orderId: id, lines, subtotal, shipping, total } = verdict
    await fillOrder(client, { id, lines, subtotal, shipping, total, now })
  }
  const payable: PayableCheckout = {
    ...checkout,
    orderId: verdict.orderId,
    amount: verdict.total,
    risk: challenge.length > 0 ? 'CHALLENGE' : null,
    sessionExpiresAt: new Date(now.getTime() + services.config.payment.sessionMinutes * MINUTE)
  }
  await moveCheckout(client, checkout.id, {
    to: 'VERIFIED',
    now,
    orderId: payable.orderId,
    amount: payable.amount,
    risk: payable.risk,
    sessionExpiresAt: payable.sessionExpiresAt,
    sessionParams: sessionParams(services.config, payable, verdict.lines),
    audit: [
      {
        action: 'checkout_verified',
        status: 'SUCCESS',
        ...trailOf(payable),
        amount: verdict.total,
        currency: checkout.currency,
        before: checkout.status,
        after: 'VERIFIED',
        metadata: challenge.length > 0 ? { fraud: 'challenge', reasons: challenge } : null
      }
    ]
  })
}

/** `internal` is the reason for the audit trail when the customer is told another one. */
async function reject(
  context: Context,
  checkout: CheckoutRow,
  refusal: Refusal,
  internal?: string
): Promise<Verification> {
  const { services, client } = context
  const trail = trailOf({ ...checkout, orderId: checkout.cart.orderId ?? checkout.orderId })
  const reason =
    internal ??
    refusal.extras.details?.map(({ productId, error }) => `${productId}: ${error}`).join('; ') ??
    refusal.extras.detail
  await moveCheckout(client, checkout.id, {
    to: 'REJECTED',
    now: services.now(),
    refusal,
    outcome: checkoutOutcome({ ...checkout, status: 'REJECTED', refusal }),
    audit: [
      {
        action: `checkout_${refusal.code}`,
        status: 'FAILED',
        ...trail,
        before: checkout.status,
        after: 'REJECTED',
        error: reason
      }
    ]
  })
  if (checkout.ownsOrder) await cancelOrder({ ...context, trail }, checkout.orderId as string, 'its cart was refused')
  services.log.info({ requestId: checkout.requestId, checkoutId: checkout.id, code: refusal.code }, 'checkout rejected')
  return { verified: false }
}
