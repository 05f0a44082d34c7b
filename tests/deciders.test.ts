import { afterEnds, checkoutEnds, stockEnd } from '../shared/rules/order-consequences.js'
import { type OrderFacts, orderState, type PaymentFacts } from '../shared/rules/order-status.js'
import {
  decidedFields,
  isFinalCapture,
  type PaymentRecord,
  paymentAuthority
} from '../shared/rules/payment-authority.js'
import type { CheckoutStatus } from '../shared/rules/transitions.js'
import { unexpectedPayments } from '../shared/rules/unexpected-payments.js'

const payment = (given: Partial<PaymentFacts> = {}): PaymentFacts => ({
  id: 'pi_own',
  checkoutId: 'c1',
  status: 'SUCCEEDED',
  captured: 1_000,
  refunded: 0,
  sessionId: null,
  mismatch: null,
  reviewReason: null,
  reviewAction: null,
  lost: 0,
  accepted: false,
  isVoid: false,
  ...given
})

const order = (status: CheckoutStatus, payments: PaymentFacts[], given: Partial<OrderFacts> = {}): OrderFacts => ({
  cancelled: false,
  checkouts: [{ id: 'c1', status, sessionId: 'cs_own', paymentIntentId: status === 'OPEN' ? null : 'pi_own' }],
  payments,
  disputes: [],
  ...given
})

const stray = (given: Partial<PaymentFacts> = {}) => payment({ id: 'pi_stray', sessionId: 'cs_stray', ...given })
const reviewed = { reviewReason: 'it does not fit', reviewAction: 'refund' }

it.each<[string, OrderFacts, [string, string][]]>([
  ['the own payment of a paid checkout', order('PAID', [payment()]), []],
  ['a payment before its Session is told', order('OPEN', [payment()]), []],
  ['a declined one', order('EXPIRED', [payment({ status: 'FAILED' })]), []],
  [
    'another amount',
    order('PAID', [payment({ mismatch: 'amount: expected 1, Stripe has 2' })]),
    [['pi_own', 'amount: expected 1, Stripe has 2']]
  ],
  ['too late', order('EXPIRED', [payment()]), [['pi_own', 'although the checkout is EXPIRED']]],
  ['a bank debit that may still fail', order('EXPIRED', [payment({ status: 'PROCESSING' })]), []],
  ['a cancelled order', order('PAID', [payment()], { cancelled: true }), [['pi_own', 'that was cancelled']]],
  ['an accepted one', order('EXPIRED', [payment({ ...reviewed, accepted: true })]), []],
  ['a stray by its Session', order('OPEN', [stray()]), [['pi_stray', 'not opened for its checkout']]],
  ['a stray by the intent', order('PAID', [stray({ sessionId: null }), payment()]), [['pi_stray', 'not opened']]],
  ['a stray that came first', order('PAID', [stray(), payment()]), [['pi_stray', 'not opened']]],
  ['a stray that came last', order('PAID', [payment(), stray()]), [['pi_stray', 'not opened']]],
  [
    'two checkouts that were both paid',
    order('PAID', [payment(), payment({ id: 'pi_2', checkoutId: 'c2' })], {
      checkouts: [
        { id: 'c1', status: 'PAID', sessionId: 'cs_own', paymentIntentId: 'pi_own' },
        { id: 'c2', status: 'PAID', sessionId: 'cs_2', paymentIntentId: 'pi_2' }
      ]
    }),
    [['pi_2', 'is paid by pi_own']]
  ]
])('reviews what cannot simply count: %s', (_what, facts, expected) => {
  const found = unexpectedPayments(facts)
  expect(found.map(each => each.payment.id)).toEqual(expected.map(([id]) => id))
  for (const [index, [, reason]] of expected.entries()) expect(found[index]?.reason).toContain(reason)
})

it.each<[string, CheckoutStatus, PaymentFacts[], string | undefined]>([
  ['a payment that counts', 'PAID', [payment()], 'COMMITTED'],
  [
    'one that counts, and a stray that went back',
    'PAID',
    [stray({ ...reviewed, refunded: 1_000 }), payment()],
    'COMMITTED'
  ],
  ['one that counts, and a stray in review', 'PAID', [stray(reviewed), payment()], 'COMMITTED'],
  ['only one in review', 'PAID', [payment(reviewed)], undefined],
  ['only one that went back', 'PAID', [payment({ ...reviewed, refunded: 1_000 })], 'RELEASED'],
  ['one that was accepted', 'PAID', [payment({ ...reviewed, accepted: true })], 'COMMITTED'],
  ['nothing, and the Session is gone', 'EXPIRED', [], 'RELEASED'],
  ['a stray in review, and the Session is gone', 'EXPIRED', [stray(reviewed)], undefined],
  ['a stray that went back, and the Session is gone', 'EXPIRED', [stray({ ...reviewed, refunded: 1_000 })], 'RELEASED'],
  ['a stray debit on its way, and the Session is gone', 'EXPIRED', [stray({ status: 'PROCESSING' })], undefined],
  ['a stray debit that failed, and the Session is gone', 'EXPIRED', [stray({ status: 'FAILED' })], 'RELEASED'],
  [
    'a stray debit on its way, and the own one failed',
    'FAILED',
    [stray({ status: 'PROCESSING' }), payment({ status: 'FAILED' })],
    undefined
  ],
  [
    'its own, which was on its way when Stripe ended the Session',
    'EXPIRED',
    [payment({ status: 'PROCESSING' })],
    'RELEASED'
  ],
  [
    'one on its way whose Session nobody has told, and the Session is gone',
    'EXPIRED',
    [payment({ status: 'PROCESSING', sessionId: null })],
    'RELEASED'
  ],
  ['nothing yet', 'OPEN', [], undefined],
  ['a stray that went back, and the Session is open', 'OPEN', [stray({ ...reviewed, refunded: 1_000 })], undefined],
  ['a bank debit under way', 'PROCESSING', [payment({ status: 'PROCESSING' })], undefined]
])('ends what a checkout holds by all of its payments: %s', (_what, status, payments, expected) => {
  const facts = order(status, payments)
  expect(stockEnd(facts.checkouts[0] as OrderFacts['checkouts'][number], payments)).toBe(expected)
})

it.each<[string, PaymentFacts[], string | undefined]>([
  ['its payment succeeded', [payment()], 'PAID'],
  ['its authorization is gone', [payment({ status: 'CANCELLED' })], 'FAILED'],
  ['only a stray succeeded', [stray(), payment({ status: 'AUTHORIZED' })], undefined],
  [
    'only the authorization of a stray is gone',
    [stray({ status: 'CANCELLED' }), payment({ status: 'AUTHORIZED' })],
    undefined
  ],
  ['a stray was accepted', [stray({ ...reviewed, accepted: true }), payment({ status: 'CANCELLED' })], 'PAID']
])('ends a checkout in PROCESSING when %s', (_what, payments, expected) => {
  const facts = order('PROCESSING', payments)
  const ends = checkoutEnds(facts)
  expect(ends.map(each => each.to)).toEqual(expected === undefined ? [] : [expected])
  const after = afterEnds(facts, ends)
  expect([after.checkouts[0]?.status, after.cancelled]).toEqual([expected ?? 'PROCESSING', expected === 'FAILED'])
})

it.each<[OrderFacts, ReturnType<typeof orderState>['status']]>([
  [order('OPEN', []), 'PENDING'],
  [order('PROCESSING', [payment({ status: 'PROCESSING' })]), 'PROCESSING'],
  [order('PROCESSING', [payment({ status: 'AUTHORIZED' })]), 'AUTHORIZED'],
  [order('PAID', [payment()]), 'PAID'],
  [order('PAID', [payment({ refunded: 1 })]), 'PARTIALLY_REFUNDED'],
  [order('PAID', [payment({ refunded: 1_000 })]), 'REFUNDED'],
  [order('PAID', [payment(reviewed)]), 'NEEDS_REVIEW'],
  [order('PAID', [stray({ ...reviewed, refunded: 1_000 }), payment()]), 'PAID'],
  [order('PAID', [payment()], { disputes: [{ paymentIntentId: 'pi_own', status: 'needs_response' }] }), 'DISPUTED'],
  [order('PAID', [payment()], { disputes: [{ paymentIntentId: 'pi_own', status: 'won' }] }), 'PAID'],
  [order('EXPIRED', [], { cancelled: true }), 'CANCELLED']
])('makes the order what its facts say: %#', (facts, expected) => {
  expect(orderState(facts).status).toBe(expected)
})

describe('the authority of each field of a payment', () => {
  const record: PaymentRecord = {
    teller: 'session',
    paymentIntentId: 'pi_own',
    orderId: 'o1',
    checkoutId: 'c1',
    status: 'SUCCEEDED',
    amount: 3_998,
    currency: 'EUR',
    captured: 3_998,
    chargeId: 'ch_1',
    captureBefore: new Date(0),
    sessionId: 'cs_own',
    mismatch: 'none',
    discount: 1,
    tax: 2,
    now: new Date(0)
  }

  it.each(['intent', 'charge', 'session', 'hint'] as const)(
    'lets a %s decide what is its own and nothing else',
    teller => {
      const decided = decidedFields({ ...record, teller })
      for (const [field, { tellers }] of Object.entries(paymentAuthority)) {
        const value = decided[field as keyof typeof paymentAuthority]
        expect([field, value === null]).toEqual([field, !tellers.includes(teller)])
      }
      expect(isFinalCapture({ ...record, teller })).toBe(teller === 'intent')
    }
  )

  it('never lets a Session say what was captured', () => {
    expect(paymentAuthority.captured.tellers).not.toContain('session')
    expect(paymentAuthority.amount.tellers).toEqual(['intent'])
  })
})
