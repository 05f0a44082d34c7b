import { Counter, Histogram } from 'prom-client'
import { SECOND } from '../duration.js'
import { type ProblemCode, problems } from '../errors.js'
import { type CartErrorKind, cartErrorKinds } from '../rules/cart-errors.js'
import { type CheckoutStatus, checkoutRules } from '../rules/transitions.js'
import { registry } from './registry.js'

const moves = new Counter({
  name: 'tillworks_checkout_moves_total',
  help: 'Moves of checkouts by the state that they came into (docs/states.md).',
  labelNames: ['status'] as const,
  registers: [registry]
})

const refusals = new Counter({
  name: 'tillworks_checkout_refusals_total',
  help: 'Checkouts that ended as REJECTED or FAILED, by the problem that the customer was told.',
  labelNames: ['reason'] as const,
  registers: [registry]
})

const lineErrors = new Counter({
  name: 'tillworks_cart_errors_total',
  help: 'Lines of carts that the database did not agree with, by what differed.',
  labelNames: ['kind'] as const,
  registers: [registry]
})

const sessionDelays = new Histogram({
  name: 'tillworks_checkout_session_delay_seconds',
  help: 'From the request of a checkout to its Stripe Checkout Session.',
  buckets: [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 300, 3600],
  registers: [registry]
})

const paymentDelays = new Histogram({
  name: 'tillworks_session_payment_delay_seconds',
  help: 'From the creation of a Session to the event that says it is paid, by Stripe’s clock.',
  buckets: [10, 30, 60, 120, 300, 900, 1800, 3600, 86400, 604800],
  registers: [registry]
})

const decisions = new Counter({
  name: 'tillworks_fraud_decisions_total',
  help: 'Decisions of the fraud rules: allow, challenge or block, by the first reason.',
  labelNames: ['decision', 'reason'] as const,
  registers: [registry]
})

for (const status of checkoutRules.flatMap(({ to }) => to)) moves.inc({ status }, 0)
for (const reason of Object.keys(problems)) refusals.inc({ reason }, 0)
for (const kind of cartErrorKinds) lineErrors.inc({ kind }, 0)
for (const decision of ['allow', 'challenge', 'block']) decisions.inc({ decision, reason: 'none' }, 0)

export function countCheckoutMove(
  { to, refusal, now }: { to: CheckoutStatus; refusal?: { code: ProblemCode } | null; now: Date },
  createdAt: Date
): void {
  moves.inc({ status: to })
  if (refusal) refusals.inc({ reason: refusal.code })
  if (to === 'OPEN') sessionDelays.observe(Math.max(0, now.getTime() - createdAt.getTime()) / SECOND)
}

export function countCartErrors(kinds: CartErrorKind[]): void {
  for (const kind of kinds) lineErrors.inc({ kind })
}

/** Both in seconds, as Stripe tells them; one that an event does not tell is not counted. */
export function countSessionPaid(created: unknown, paid: unknown): void {
  if (Number.isFinite(created) && Number.isFinite(paid)) {
    paymentDelays.observe(Math.max(0, Number(paid) - Number(created)))
  }
}

/** The numbers in a reason are left out: they are without number. */
export function countFraudDecision({ decision, reasons }: { decision: string; reasons: string[] }): void {
  decisions.inc({ decision, reason: reasons[0]?.replace(/\d+/g, 'n') ?? 'none' })
}
