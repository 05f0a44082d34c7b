import { messageOf } from '../shared/errors.js'
import { classifyStripeError } from '../shared/stripe.js'

/**
 * Does `ask` for each item. What Stripe refuses about one is listed in `errors` and does not keep the others from their
 * turn; when Stripe is away, or refuses the key, the rest waits for another run, and the error is thrown.
 */
export async function askEach<T>(items: T[], errors: string[], ask: (item: T) => Promise<void>): Promise<void> {
  for (const item of items) {
    try {
      await ask(item)
    } catch (error) {
      if (classifyStripeError(error) !== 'refused') throw error
      errors.push(messageOf(error))
    }
  }
}
