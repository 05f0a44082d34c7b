import { originProblem } from '../identity/origins.js'
import { toDecimalString } from '../money.js'
import { saleTermsIn } from '../rules/sale-terms.js'
import { amountProblems, inCurrencies, parseAmounts } from './amounts.js'
import { databaseProblems } from './groups/database.js'
import { fraud } from './groups/fraud.js'
import { currenciesOf, payment } from './groups/payment.js'
import { retention } from './groups/retention.js'
import { shipping } from './groups/shipping.js'
import { modeOf } from './groups/stripe.js'
import { redisProblems } from './redis/checks.js'
import { partsOf } from './value-types.js'

const AMOUNTS = [
  payment.settings.minAmount,
  payment.settings.maxAmount,
  shipping.settings.amount,
  shipping.settings.freeFrom,
  fraud.settings.smallCartAmount
]

/** A shop whose least total is above its highest sells nothing. */
function limitProblems(env: Record<string, string | undefined>): string[] {
  const { minAmount, maxAmount } = payment.settings
  const currencies = currenciesOf(env)
  const amountsOf = ({ variable, default: byDefault }: { variable: string; default: string }) =>
    inCurrencies(parseAmounts(env[variable] ?? byDefault) ?? { of: {} }, currencies, byDefault)
  const limits = { currencies, minAmount: amountsOf(minAmount), maxAmount: amountsOf(maxAmount) }
  return currencies.flatMap(currency => {
    const terms = saleTermsIn(currency, { payment: limits, shipping: { amount: {}, freeFrom: {} } })
    if (terms === undefined || terms.minAmount <= terms.maxAmount) return []
    const [low, high] = [terms.minAmount, terms.maxAmount].map(amount => toDecimalString(amount, currency))
    return [
      `${maxAmount.variable}: in ${currency} a total is at most ${high} and has to be at least ${low} (${minAmount.variable}, or Stripe's least)`
    ]
  })
}

/** What no single variable can tell. */
export function combinedProblems(env: Record<string, string | undefined>): string[] {
  const problems = databaseProblems(env)
  const production = env.NODE_ENV === 'production'
  problems.push(...redisProblems(env))
  if (production && env.STRIPE_API_BASE !== undefined) {
    problems.push('STRIPE_API_BASE: not allowed with NODE_ENV=production; it is for the local simulator')
  }
  if (production && partsOf(env.ALLOWED_ORIGINS ?? '').length === 0 && env.NEXTAUTH_URL === undefined) {
    problems.push('ALLOWED_ORIGINS: missing; the origins of the storefront, such as https://shop.example')
  }
  if ((env.ORDER_WEBHOOK_URL === undefined) !== (env.ORDER_WEBHOOK_SECRET === undefined)) {
    const missing = env.ORDER_WEBHOOK_URL === undefined ? 'ORDER_WEBHOOK_URL' : 'ORDER_WEBHOOK_SECRET'
    problems.push(`${missing}: missing; notifications need both an address and a secret to sign with`)
  }
  if ((env.REPORTS_MAIL_FROM === undefined) !== (partsOf(env.REPORTS_MAIL_TO ?? '').length === 0)) {
    const missing = env.REPORTS_MAIL_FROM === undefined ? 'REPORTS_MAIL_FROM' : 'REPORTS_MAIL_TO'
    problems.push(`${missing}: missing; a report becomes a mail with both its sender and its recipients`)
  }
  if (env.GUEST_CHECKOUT === 'true' && env.AUTH_SECRET === undefined) {
    problems.push('AUTH_SECRET: missing; with GUEST_CHECKOUT=true the key that signs guest sessions is derived from it')
  }
  if (env.CHECKOUT_INVOICE === 'true' && env.PAYMENT_CAPTURE_METHOD === 'manual') {
    problems.push(
      'CHECKOUT_INVOICE: not with PAYMENT_CAPTURE_METHOD=manual; Stripe makes invoices of payments that are captured at once. Unset one of the two'
    )
  }
  if (env.FRAUD_GEOLOCATION_CHECK === 'true' && env.GEOIP_DATABASE === undefined) {
    problems.push('GEOIP_DATABASE: missing; the path of a country database (MMDB), for FRAUD_GEOLOCATION_CHECK=true')
  }
  if ((env.OPS_PROXY_USER_HEADER === undefined) !== (env.OPS_TRUST_PROXY === undefined)) {
    const missing = env.OPS_TRUST_PROXY === undefined ? 'OPS_TRUST_PROXY' : 'OPS_PROXY_USER_HEADER'
    problems.push(`${missing}: missing; a proxy is believed only with both its header and its address`)
  }
  if (env.AUTH_SESSION_AUTHORIZATION === 'true' && env.AUTH_SESSION_URL === undefined) {
    problems.push('AUTH_SESSION_URL: missing; with AUTH_SESSION_AUTHORIZATION=true tokens are passed to it')
  }
  if (env.AUTH_JWKS_URL !== undefined) {
    if (env.AUTH_JWT_ISSUER === undefined) {
      problems.push('AUTH_JWT_ISSUER: missing; with AUTH_JWKS_URL only tokens of one issuer are accepted')
    }
    if (env.AUTH_JWT_AUDIENCE === undefined) {
      problems.push(
        'AUTH_JWT_AUDIENCE: missing; with AUTH_JWKS_URL only tokens for this audience are accepted. Write none if the tokens have no aud'
      )
    }
  }
  if (env.NEXTAUTH_URL?.includes('*')) {
    problems.push('NEXTAUTH_URL: is one URL; subdomains such as https://*.shop.example stand in ALLOWED_ORIGINS')
  }
  for (const origin of partsOf(env.ALLOWED_ORIGINS ?? '')) {
    const problem = originProblem(origin)
    if (problem !== undefined) problems.push(`ALLOWED_ORIGINS: "${origin}" ${problem}`)
  }
  if (
    modeOf(env.STRIPE_SECRET_KEY) &&
    modeOf(env.STRIPE_PUBLISHABLE_KEY) &&
    modeOf(env.STRIPE_SECRET_KEY) !== modeOf(env.STRIPE_PUBLISHABLE_KEY)
  ) {
    problems.push('STRIPE_PUBLISHABLE_KEY: is of another mode (test or live) than STRIPE_SECRET_KEY')
  }
  if (env.PCI_DSS_LEVEL !== undefined && Number(env.LOG_RETENTION_DAYS ?? retention.settings.logDays.default) < 365) {
    problems.push(
      'LOG_RETENTION_DAYS: must be 365 or more while PCI_DSS_LEVEL is set (PCI DSS 4.0, requirement 10.5.1)'
    )
  }
  for (const { variable } of AMOUNTS) {
    const amounts = parseAmounts(env[variable] ?? '')
    if (amounts === undefined) continue
    problems.push(...amountProblems(amounts, currenciesOf(env)).map(problem => `${variable}: ${problem}`))
  }
  problems.push(...limitProblems(env))
  return problems
}
