import { messageOf } from '../errors.js'
import { classifyStripeError } from '../runtime/stripe-client.js'

/**
 * Does `ask` for each item, `atOnce` of them together. What Stripe refuses about one is listed in `errors` and does not
 * keep the others from their turn; when Stripe is away, or refuses the key, the rest waits for another run, and the error
 * is thrown.
 */
export async function askEach<T>(
  items: T[],
  errors: string[],
  ask: (item: T) => Promise<void>,
  atOnce = 1
): Promise<void> {
  for (let start = 0; start < items.length; start += atOnce) {
    const outcomes = await Promise.allSettled(items.slice(start, start + atOnce).map(ask))
    const failures = outcomes.flatMap(each => (each.status === 'rejected' ? [each.reason as unknown] : []))
    const fatal = failures.find(error => classifyStripeError(error) !== 'refused')
    if (fatal !== undefined) throw fatal
    errors.push(...failures.map(messageOf))
  }
}
