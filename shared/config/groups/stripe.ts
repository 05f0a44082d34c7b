import { PINNED_API_VERSION } from '../../runtime/stripe-version.js'
import { type Group, optional, required, setting, type ValuesOf } from '../setting.js'
import { integer, list, only, text, web } from '../value-types.js'

const secretKey = text('a key that begins with sk_test_, sk_live_, rk_test_ or rk_live_', text =>
  /^(sk|rk)_(test|live)_\w+$/.test(text)
)
const publishableKey = text('a key that begins with pk_test_ or pk_live_', text => /^pk_(test|live)_\w+$/.test(text))
const webhookSecrets = list(
  'one secret that begins with whsec_, or several with commas between them while one is being replaced',
  secrets => secrets.length > 0 && secrets.every(secret => /^whsec_\S+$/.test(secret))
)

export const stripe = {
  title: 'Stripe',
  settings: {
    secretKey: required('STRIPE_SECRET_KEY', secretKey, {
      secret: true,
      doc: 'the key to your Stripe account; a restricted one will do',
      npmStart: 'the simulator',
      example: ''
    }),
    publishableKey: optional('STRIPE_PUBLISHABLE_KEY', publishableKey, {
      doc: 'checked to be of the same mode as the secret key'
    }),
    webhookSecrets: required('STRIPE_WEBHOOK_SECRET', webhookSecrets, {
      secret: true,
      doc: 'of the endpoint that is registered with Stripe; checks that a webhook is from there',
      npmStart: "the simulator's",
      example: ''
    }),
    apiBase: optional('STRIPE_API_BASE', web('http://127.0.0.1:12111'), {
      doc: "another Stripe, such as the simulator's URL; refused in production",
      npmStart: 'the simulator, unless `STRIPE_SECRET_KEY` is set'
    }),
    timeoutMs: setting('STRIPE_TIMEOUT_MS', integer(100, 80_000), {
      default: '20000',
      doc: 'how long one call to Stripe may take, in milliseconds'
    }),
    maxRetries: setting('STRIPE_MAX_RETRIES', integer(0, 10), {
      default: '3',
      doc: 'how often one call to Stripe is tried again'
    }),
    webhookTimeoutMs: setting('STRIPE_WEBHOOK_TIMEOUT_MS', integer(1_000, 600_000), {
      default: '60000',
      doc: 'how long a statement that applies an event may take, in milliseconds'
    })
  },
  checked: [
    setting(
      'STRIPE_API_VERSION',
      only(PINNED_API_VERSION, 'the types and the tests of this release are for that version; leave it unset'),
      { default: PINNED_API_VERSION, doc: 'that of the `stripe` package; no other is accepted' }
    ),
    setting(
      'STRIPE_IDEMPOTENCY_ENABLED',
      only('true', 'without idempotency keys a retry could create a second Session'),
      { default: 'true', doc: '`false` is refused: a retry could make a second Session' }
    )
  ]
} satisfies Group

/** `test` or `live`, of a secret, restricted or publishable key. */
export function modeOf(key: string | undefined): string | undefined {
  return key?.split('_')[1]
}

export function readStripe(values: ValuesOf<typeof stripe>) {
  return { ...values, livemode: modeOf(values.secretKey) === 'live' }
}
