import { Counter } from 'prom-client'
import { type MinorUnits, toMajorUnits } from '../money.js'
import { type OrderStatus, orderRules, type PaymentStatus } from '../rules/transitions.js'
import { registry } from './registry.js'

const orderMoves = new Counter({
  name: 'tillworks_order_moves_total',
  help: 'Moves of orders by the state that they came into (docs/states.md).',
  labelNames: ['status'] as const,
  registers: [registry]
})

const attemptOutcomes = ['succeeded', 'declined', 'failed'] as const

const attempts = new Counter({
  name: 'tillworks_payment_attempts_total',
  help: 'Tries to pay: succeeded (captured or authorized), declined, or failed later (a bank debit).',
  labelNames: ['outcome'] as const,
  registers: [registry]
})

const amounts = new Counter({
  name: 'tillworks_payment_amount_total',
  help: 'Money by currency and what became of it, in the currency’s major unit; the ledger is exact, this is not.',
  labelNames: ['currency', 'outcome'] as const,
  registers: [registry]
})

for (const status of orderRules.flatMap(({ to }) => to)) orderMoves.inc({ status }, 0)
for (const outcome of attemptOutcomes) attempts.inc({ outcome }, 0)

export function countOrderMove(status: OrderStatus): void {
  orderMoves.inc({ status })
}

export function countAttempt(outcome: (typeof attemptOutcomes)[number]): void {
  attempts.inc({ outcome })
}

const PAID: readonly PaymentStatus[] = ['AUTHORIZED', 'SUCCEEDED']

/** A payment that was `before` is `after` now; undefined before it was known. */
export function countPaymentMove(before: PaymentStatus | null, after: PaymentStatus): void {
  if (PAID.includes(after) && (before === null || !PAID.includes(before))) countAttempt('succeeded')
  if (after === 'FAILED' && before !== 'FAILED') countAttempt('failed')
}

const moneyOutcomes = ['captured', 'refunded', 'refund_returned', 'declined', 'disputed', 'dispute_lost'] as const

export type MoneyOutcome = (typeof moneyOutcomes)[number]

/** Lets a currency stand at zero before its first payment. */
export function showCurrency(currency: string): void {
  for (const outcome of moneyOutcomes) amounts.inc({ currency, outcome }, 0)
}

/** `amount` in minor units; what is not more than nothing is not counted, for a counter only grows. */
export function countMoney(currency: string, outcome: MoneyOutcome, amount: number): void {
  if (amount > 0) amounts.inc({ currency, outcome }, toMajorUnits(amount as MinorUnits, currency))
}
