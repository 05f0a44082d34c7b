import type { Command } from 'commander'
import { endCheckout } from '../shared/orders/end-checkout.js'
import { Refused } from '../shared/refused.js'
import { showTrail } from '../shared/statements/audit-trail.js'
import { showCheckout } from '../shared/statements/checkouts.js'
import { text } from './arguments.js'
import { viewCheckout } from './checkout-view.js'
import { command, group, type Output } from './command.js'
import { operator, withDatabase, withServices } from './environment.js'
import { answer, print } from './print.js'

export function checkout(): Command {
  return group('checkout', 'One attempt to pay an order.', [show(), expire()])
}

function show(): Command {
  return command('show', 'A checkout with its cart, reservations, payments and audit trail.', {
    examples: ['checkout show cmb1x2y3z']
  })
    .argument('<checkout>', 'its id')
    .action(async (id: string, options: Output) => {
      await withDatabase('checkout show', async ({ db }) => {
        const found = await showCheckout(db, id)
        if (found === null) throw new Refused('checkout_not_found', `There is no checkout ${id}.`)
        answer(options, { ...found, audit: await showTrail(db, { checkoutId: id }) }, viewCheckout)
      })
    })
}

function expire(): Command {
  return command(
    'expire',
    'End an open checkout at Stripe and give its stock back; or say that Stripe does not know its Session any more, also when it was submitted.',
    { examples: ['checkout expire cmb1x2y3z --reason "held for too long"'] }
  )
    .argument('<checkout>', 'its id')
    .requiredOption('--reason <text>', 'why, for the audit trail', text)
    .option('--unknown-to-stripe', 'Stripe has deleted its Session', false)
    .action(async (id: string, options: Output & { reason: string; unknownToStripe: boolean }) => {
      const { reason, unknownToStripe } = options
      await withServices('checkout expire', async services => {
        const status = await endCheckout(services, id, { operator: operator(), reason, unknownToStripe })
        answer(options, { checkoutId: id, status }, () => print(`Checkout ${id} is ${status}.`))
      })
    })
}
