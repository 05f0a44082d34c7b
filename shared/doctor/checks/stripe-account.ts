import type Stripe from 'stripe'
import { permissionsIn } from '../../runtime/stripe-permission.js'
import type { Check } from '../check.js'
import { type Finding, fine, must, should, Unseen } from '../finding.js'

/** Whose account the key is of, and whether it can take money in the shop's currency. */
export const stripeAccount: Check = {
  name: 'stripe account',
  needs: ['STRIPE_SECRET_KEY', 'STRIPE_API_BASE', 'PAYMENT_CURRENCY'],
  async run({ config, account }) {
    const answer = await account()
    if (answer.state === 'away') throw new Unseen('Stripe cannot be reached')
    if (answer.state === 'refused') throw new Unseen('Stripe does not take the key')
    if (answer.state === 'hidden')
      return [
        should(
          `the restricted key may not read it; ${permissionsIn(answer.reason)} would show its country and currency, to this command alone`
        )
      ]
    return findingsOf(answer.account, config.payment.currency)
  }
}

function findingsOf(account: Stripe.Account, currency: string): Finding[] {
  const { id, country, default_currency: own = '', charges_enabled: charges, payouts_enabled: payouts } = account
  const findings: Finding[] = []
  if (!charges)
    findings.push(must(`${id} cannot take payments yet: finish what https://dashboard.stripe.com/account asks for`))
  if (!payouts)
    findings.push(
      should(`${id} is not paid out yet: add a bank account at https://dashboard.stripe.com/settings/payouts`)
    )
  if (own.toUpperCase() !== currency)
    findings.push(
      should(
        `${id} (${country}) is paid out in ${own.toUpperCase()}, and PAYMENT_CURRENCY is ${currency}: Stripe converts each payment, for a fee, unless you add a bank account in ${currency}`
      )
    )
  return findings.length > 0 ? findings : [fine(`${id} (${country}), paid out in ${own.toUpperCase()}`)]
}
