import Stripe from 'stripe'
import { permissionsIn } from '../../runtime/stripe-permission.js'
import type { Check } from '../check.js'
import { type Finding, fine, must, should } from '../finding.js'
import { stripeCalls } from '../stripe-calls.js'

/** What a restricted key lacks of what the pipeline asks of Stripe. */
export const stripePermissions: Check = {
  name: 'stripe permissions',
  needs: ['STRIPE_SECRET_KEY', 'STRIPE_API_BASE'],
  async run(subject) {
    const stripe = await subject.stripe()
    const answers = await Promise.all(
      stripeCalls.map(async call => ({ call, lacking: await lackingFor(() => call.probe(stripe)) }))
    )
    const lacking = new Map<string, string[]>()
    const findings: Finding[] = []
    for (const { call, lacking: said } of answers) {
      if (said instanceof Error)
        findings.push(should(`${call.call} could not be tried: ${said.message}. Look again in a moment`))
      else if (said !== undefined) lacking.set(said, [...(lacking.get(said) ?? []), call.for])
    }
    for (const [permission, purposes] of lacking)
      findings.push(
        must(`the key lacks ${permission}, ${purposes.join(', ')}: enable it at https://dashboard.stripe.com/apikeys`)
      )
    return findings.length > 0
      ? findings
      : [fine(`the key may do all of the ${stripeCalls.length} calls that are made`)]
  }
}

/** What the 403 names; undefined when the call is allowed; an error when it was not answered. */
async function lackingFor(probe: () => Promise<unknown>): Promise<string | Error | undefined> {
  try {
    await probe()
  } catch (error) {
    if (error instanceof Stripe.errors.StripePermissionError) return permissionsIn(error.message)
    if (!(error instanceof Stripe.errors.StripeInvalidRequestError)) return error as Error
  }
  return undefined
}
