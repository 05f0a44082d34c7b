import type { Check } from '../check.js'
import { fine, must } from '../finding.js'
import { modeFindings } from '../key-mode.js'

const KEYS = 'https://dashboard.stripe.com/apikeys'

/** Whether Stripe takes the key, and whether its mode is what NODE_ENV says. */
export const stripeKey: Check = {
  name: 'stripe key',
  needs: ['STRIPE_SECRET_KEY', 'STRIPE_API_BASE'],
  async run({ config: { stripe, production }, account }) {
    const { apiBase, livemode } = stripe
    const answer = await account()
    const mode = modeFindings({ livemode, production })
    if (answer.state === 'away')
      return [
        must(
          `Stripe cannot be reached: ${answer.reason}. May this machine call ${apiBase ?? 'https://api.stripe.com'}?`
        ),
        ...mode
      ]
    if (answer.state === 'refused')
      return [
        must(`Stripe does not take STRIPE_SECRET_KEY: ${answer.reason}. Copy the key again from ${KEYS}`),
        ...mode
      ]
    if (mode.length > 0) return mode
    return [fine(`${apiBase === undefined ? 'Stripe' : apiBase} takes it, ${livemode ? 'live' : 'test'} mode`)]
  }
}
