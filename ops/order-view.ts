import type { Story } from '../shared/orders/story.js'
import type { Moment } from '../shared/orders/timeline.js'
import { lineName, linesOf } from '../shared/rules/order-item.js'
import { amountText } from './amount.js'
import { localTime } from './local-time.js'
import { print } from './print.js'
import { printTable } from './table.js'
import { viewTimeline } from './timeline-view.js'

/** An order as a person tells of it: what was bought, how it was paid, and all that happened, in order. */
export function viewStory(story: Story): void {
  const money = (amount: bigint | null) => (amount === null ? '' : amountText(amount, story.currency))
  print(`Order ${story.id}  ${story.status}`)
  print(
    `Customer ${story.userId}${story.email === null ? '' : ` (${story.email})`}, placed ${localTime(story.createdAt)}`
  )
  if (story.paidAt !== null) print(`Paid ${localTime(story.paidAt)}`)
  print(`Captured ${money(story.captured)}, refunded ${money(story.refunded)}`)
  section(
    'Lines',
    ['QUANTITY', 'PRODUCT', 'PRICE', 'AMOUNT'],
    [
      ...story.items
        .flatMap(linesOf)
        .map(line => [
          String(line.quantity),
          line.description === null ? lineName(line) : `${lineName(line)}: ${line.description}`,
          money(line.unitPrice),
          money(line.unitPrice * BigInt(line.quantity))
        ]),
      ...sums(story).map(([name, amount]) => ['', name, '', money(amount)])
    ]
  )
  section(
    'Checkouts',
    ['STARTED', 'STATUS', 'CHECKOUT', 'SESSION'],
    story.checkouts.map(each => [localTime(each.createdAt), each.status, each.id, each.sessionId ?? ''])
  )
  section(
    'Payments',
    ['PAYMENT', 'STATUS', 'AMOUNT', 'CAPTURED', 'NOTE'],
    story.payments.map(each => [
      each.paymentIntentId,
      each.status,
      amountText(each.amount, each.currency),
      amountText(each.captured, each.currency),
      [each.reviewReason, each.captureBefore && `capture before ${localTime(each.captureBefore)}`]
        .filter(Boolean)
        .join('; ')
    ])
  )
  section(
    'Refunds',
    ['REQUESTED', 'STATUS', 'AMOUNT', 'REFUND', 'OF PAYMENT', 'NOTE'],
    story.refunds.map(each => [
      localTime(each.createdAt),
      each.status,
      amountText(each.amount, each.currency),
      each.stripeId ?? each.id,
      each.paymentIntentId,
      [each.requestedBy, each.reason, each.failureReason].filter(Boolean).join('; ')
    ])
  )
  section(
    'Disputes',
    ['OPENED', 'STATUS', 'AMOUNT', 'DISPUTE', 'REASON', 'EVIDENCE DUE'],
    story.disputes.map(each => [
      localTime(each.createdAt),
      each.status,
      amountText(each.amount, each.currency),
      each.id,
      each.reason,
      each.evidenceDueBy === null ? '' : localTime(each.evidenceDueBy)
    ])
  )
  section(
    'Webhook events',
    ['RECEIVED', 'STATUS', 'TYPE', 'EVENT', 'ERROR'],
    story.events.map(each => [localTime(each.receivedAt), each.status, each.type, each.id, each.error ?? ''])
  )
  viewMoments(story.timeline)
}

function sums({ subtotal, shipping, total }: Story): [string, bigint][] {
  const known: [string, bigint | null][] = [
    ['subtotal', subtotal],
    ['shipping', shipping],
    ['total', total]
  ]
  return known.flatMap(([name, amount]) => (amount === null ? [] : [[name, amount]]))
}

function section(title: string, names: string[], rows: string[][]): void {
  if (rows.length === 0) return
  print(`\n${title}`)
  printTable([names, ...rows], ['QUANTITY', 'PRICE', 'AMOUNT', 'CAPTURED'])
}

function viewMoments(moments: Moment[]): void {
  if (moments.length === 0) return
  print('\nWhat happened')
  viewTimeline(moments)
}
