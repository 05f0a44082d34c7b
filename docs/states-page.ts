import {
  checkoutRules,
  notificationRules,
  orderRules,
  paymentRules,
  type Rule,
  refundRules,
  reservationRules,
  webhookEventRules
} from '../shared/rules/transitions.js'

const ENTITIES: { name: string; about: string; rules: readonly Rule<string>[] }[] = [
  {
    name: 'Checkout',
    about: 'One attempt to pay an order, through one Stripe Checkout Session.',
    rules: checkoutRules
  },
  {
    name: 'Order',
    about:
      'Its state follows from its checkouts, payments, refunds and disputes (`shared/rules/order-status.ts`), whatever became known first; it moves along this table, one audit row and one notification a step.',
    rules: orderRules
  },
  {
    name: 'Payment',
    about: 'One PaymentIntent. Without circles, so that events in any order end in the same state.',
    rules: paymentRules
  },
  { name: 'Refund', about: 'Ours, or made in the Stripe dashboard. Without circles, too.', rules: refundRules },
  { name: 'Reservation', about: 'Stock of one product that a checkout holds.', rules: reservationRules },
  { name: 'WebhookEvent', about: 'A delivery from Stripe, or what `reconcile` found.', rules: webhookEventRules },
  { name: 'Notification', about: 'What the shop is told about a change of an order.', rules: notificationRules }
]

/**
 * docs/states.md. A dispute has no table: it is kept as the newest event has it, whatever its status is called
 * (https://docs.stripe.com/api/disputes/object#dispute_object-status).
 */
export function statesPage(): string {
  const sections = ENTITIES.map(({ name, about, rules }) =>
    [`## ${name}`, '', about, '', diagram(rules), '', ...table(rules), ''].join('\n')
  )
  return [
    '# States',
    '',
    'Generated from `shared/rules/transitions.ts` by `npm run docs:states`; a test fails when it is stale. A state moves along',
    'these rules and no others, by compare-and-set in SQL. A dispute has no table: it is kept as the newest event has it,',
    'whatever [its status](https://docs.stripe.com/api/disputes/object#dispute_object-status) is called.',
    '',
    ...sections
  ].join('\n')
}

function diagram(rules: readonly Rule<string>[]): string {
  const edges = rules.flatMap(rule => rule.from.flatMap(from => rule.to.map(to => `  ${from} --> ${to}`)))
  return ['```mermaid', 'stateDiagram-v2', ...new Set(edges), '```'].join('\n')
}

function table(rules: readonly Rule<string>[]): string[] {
  return [
    '| from | to | when | who | source |',
    '|---|---|---|---|---|',
    ...rules.map(
      rule =>
        `| ${rule.from.join(', ')} | ${rule.to.join(', ')} | ${rule.when} | ${rule.operator ? 'operator' : 'event or job'} | [${label(rule.source)}](${rule.source}) |`
    )
  ]
}

function label(source: string): string {
  if (!source.startsWith('https://')) return 'design'
  return new URL(source).host === 'docs.stripe.com' ? 'Stripe' : 'Standard Webhooks'
}
