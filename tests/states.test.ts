import { readFileSync } from 'node:fs'
import { statesPage } from '../docs/states-page.js'
import {
  checkoutRules,
  notificationRules,
  type OrderStatus,
  orderPath,
  orderRules,
  paymentRules,
  type Rule,
  refundRules,
  reservationRules,
  sourcesOf,
  webhookEventRules
} from '../shared/rules/transitions.js'

it('has docs/states.md as the tables say (npm run docs:states)', () => {
  expect(readFileSync(new URL('../docs/states.md', import.meta.url), 'utf8')).toBe(statesPage())
})

const enums = new Map(
  readFileSync(new URL('../prisma/schema.prisma', import.meta.url), 'utf8')
    .split(/^(?=enum )/m)
    .filter(text => text.startsWith('enum '))
    .map(text => [text.split(' ')[1], text.slice(0, text.indexOf('}')).match(/^ {2}[A-Z_]+/gm) ?? []])
    .map(([name, values]) => [name, [...(values as string[])].map(value => value.trim()).sort()])
)

it.each([
  ['CheckoutStatus', checkoutRules as readonly Rule<string>[]],
  ['OrderStatus', orderRules as readonly Rule<string>[]],
  ['PaymentStatus', paymentRules as readonly Rule<string>[]],
  ['RefundStatus', refundRules as readonly Rule<string>[]],
  ['ReservationStatus', reservationRules as readonly Rule<string>[]],
  ['WebhookEventStatus', webhookEventRules as readonly Rule<string>[]],
  ['NotificationStatus', notificationRules as readonly Rule<string>[]]
])('has a rule for each state that the database knows of %s, and for no other', (name, rules) => {
  const states = [...new Set(rules.flatMap(rule => [...rule.from, ...rule.to]))]
  expect(states.sort()).toEqual(enums.get(name))
})

it.each([
  ['payments', paymentRules as readonly Rule<string>[]],
  ['refunds', refundRules as readonly Rule<string>[]]
])('lets no circle into the table of %s', (_name, rules) => {
  const reaches = (from: string, target: string): boolean =>
    rules
      .filter(rule => rule.from.includes(from))
      .flatMap(rule => rule.to)
      .some(to => to === target || reaches(to, target))
  const states = new Set(rules.flatMap(rule => [...rule.from, ...rule.to]))
  for (const state of states) expect([state, reaches(state, state)]).toEqual([state, false])
  // What can be reached in steps can be reached in one: no order of events can strand it.
  for (const from of states) {
    for (const to of states) {
      if (reaches(from, to)) expect([to, sourcesOf(rules, to)]).toEqual([to, expect.arrayContaining([from])])
    }
  }
})

it('never lets an order that was not paid rightly pass PAID', () => {
  const states = [...new Set(orderRules.flatMap(rule => [...rule.from, ...rule.to]))] as OrderStatus[]
  for (const from of states.filter(each => ['PENDING', 'PROCESSING', 'AUTHORIZED', 'CANCELLED'].includes(each))) {
    expect(orderPath(from, 'REFUNDED', true)).toEqual(['NEEDS_REVIEW', 'REFUNDED'])
  }
  expect(orderPath('PENDING', 'REFUNDED')).toEqual(['PAID', 'REFUNDED'])
  expect(orderPath('PENDING', 'DISPUTED')).toEqual(['PAID', 'DISPUTED'])
  expect(orderPath('PAID', 'PENDING')).toBeUndefined()
})
