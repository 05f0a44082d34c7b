import type { Client } from '../../database/database.js'
import { MINUTE } from '../../duration.js'
import type { Quantity } from '../../rules/order-line.js'
import type { Services } from '../../runtime/services.js'
import { type CheckoutRow, findHolder, findOpenOf } from '../../statements/checkouts.js'
import { cannotEndNow, failedSince } from '../expire-checkout.js'

// One Session per order, a few per customer, none abandoned while others wait for its goods: docs/decisions/0014-what-ends-an-open-session.md

/**
 * The checkouts that have to end before this one may open: the one of its order, and the customer's oldest beyond
 * RESERVATION_MAX_OPEN. Those that Stripe did not end just now are nothing that the customer could do something about: they
 * do not count.
 */
export async function findReplaced(
  { config, now }: Services,
  client: Client,
  checkout: CheckoutRow,
  ofOrder: CheckoutRow | undefined
): Promise<CheckoutRow[]> {
  const all = await findOpenOf(client, checkout.userId, checkout.id)
  const others = all.filter(each => each.id !== ofOrder?.id && !cannotEndNow(each, now()))
  const excess = Math.max(0, others.length - config.reservations.maxOpen + 1)
  // One whose Session is still being created can be ended in a moment, the others now.
  const endable = [...others.filter(each => each.sessionId !== null), ...others.filter(each => each.sessionId === null)]
  return [...(ofOrder === undefined ? [] : [ofOrder]), ...endable.slice(0, excess)]
}

/**
 * A checkout that holds what this cart misses: an earlier attempt of the same customer, who cannot want to keep the goods
 * from themselves, or one that has been open for long without a payment. It ends early, so that nobody can empty the shop by
 * opening Sessions; and only if that is enough, so that nobody can end them by asking for what the shop does not have.
 */
export async function findInTheWay(
  { config, now }: Services,
  client: Client,
  checkout: CheckoutRow,
  missing: Quantity[],
  /** They give their goods back anyway. */
  replaced: CheckoutRow[]
): Promise<CheckoutRow | undefined> {
  const { minMinutes } = config.reservations
  return await findHolder(client, missing, {
    userId: checkout.userId,
    openedBefore: minMinutes === 0 ? new Date(0) : new Date(now().getTime() - minMinutes * MINUTE),
    failedSince: failedSince(now()),
    except: [checkout, ...replaced].map(({ id }) => id)
  })
}
