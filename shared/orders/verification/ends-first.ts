import type { Client } from '../../database/database.js'
import { together } from '../../database/together.js'
import { MINUTE } from '../../duration.js'
import { isGuest } from '../../identity/user-ids.js'
import type { Quantity } from '../../rules/order-line.js'
import type { Services } from '../../runtime/services.js'
import { type CheckoutRow, findHolder, findOpenOf, findOpenOfGuests } from '../../statements/checkouts.js'
import { cannotEndNow, failedSince } from '../expire-checkout.js'

// One Session per order, a few per customer, none abandoned while others wait for its goods: docs/decisions/0014-what-ends-an-open-session.md

/** The other open checkouts that this one counts with: its customer's, and those of all guests of its network. */
export interface OpenCheckouts {
  own: CheckoutRow[]
  /** Empty unless the customer is a guest. */
  ofGuests: CheckoutRow[]
}

export async function findOpen(client: Client, { id, userId, network }: CheckoutRow): Promise<OpenCheckouts> {
  const findOwn = () => findOpenOf(client, userId, id)
  if (!isGuest(userId) || network === null) return { own: await findOwn(), ofGuests: [] }
  const [own, ofGuests] = await together(client, [findOwn, () => findOpenOfGuests(client, network, id)])
  return { own, ofGuests }
}

/**
 * The checkouts that have to end before this one may open: the one of its order, and the customer's oldest beyond
 * RESERVATION_MAX_OPEN, or those of all guests of the network beyond GUESTS_PER_IP times that. Those that Stripe did not end
 * just now are nothing that the customer could do something about: they do not count.
 */
export function replacedOf(
  { config, now }: Services,
  { own, ofGuests }: OpenCheckouts,
  ofOrder: CheckoutRow | undefined
): CheckoutRow[] {
  const { maxOpen } = config.reservations
  const replaced = ofOrder === undefined ? [] : [ofOrder]
  const counts = (each: CheckoutRow) => !replaced.some(({ id }) => id === each.id) && !cannotEndNow(each, now())
  replaced.push(...beyond(own.filter(counts), maxOpen))
  replaced.push(...beyond(ofGuests.filter(counts), maxOpen * config.guests.guestsPerIp))
  return replaced
}

/** Those that have to end so that with one more there are no more than `maxOpen`. */
function beyond(open: CheckoutRow[], maxOpen: number): CheckoutRow[] {
  const excess = Math.max(0, open.length - maxOpen + 1)
  // One whose Session is still being created can be ended in a moment, the others now.
  return [...open.filter(each => each.sessionId !== null), ...open.filter(each => each.sessionId === null)].slice(
    0,
    excess
  )
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
