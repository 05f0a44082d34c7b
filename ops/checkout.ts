import { parseArgs } from 'node:util'
import { endCheckout } from '../shared/orders/end-checkout.js'
import type { Services } from '../shared/runtime/services.js'
import { showTrail } from '../shared/statements/audit-trail.js'
import { showCheckout } from '../shared/statements/checkouts.js'
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

async function expire(services: Services, id: string, args: string[]): Promise<void> {
  const options = { reason: { type: 'string' }, 'unknown-to-stripe': { type: 'boolean', default: false } } as const
  const { values } = parseArgs({ args, options })
  const reason = required(values.reason, '--reason')
  const by = { operator: operator(), reason, unknownToStripe: values['unknown-to-stripe'] }
  print(`Checkout ${id} is ${await endCheckout(services, id, by)}.`)
}
