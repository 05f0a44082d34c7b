// What is decided about money and customers, by functions that only follow from their arguments.
import fc from 'fast-check'
import { minor } from '../shared/money.js'
import type { CartItem } from '../shared/rules/cart.js'
import { divideRefund, type RefundablePayment } from '../shared/rules/divide-refund.js'
import { decideFraud, type FraudRules, type FraudSignals } from '../shared/rules/fraud.js'
import { orderLine } from '../shared/rules/order-line.js'
import { type CartPrice, type FixedOrder, priceCart } from '../shared/rules/price-cart.js'
import type { SoldProduct } from '../shared/rules/product.js'
import { type SaleTerms, saleTermsIn } from '../shared/rules/sale-terms.js'
import { type SessionFacts, sessionDifference } from '../shared/rules/session-difference.js'
import type { SessionTerms } from '../shared/rules/session-terms.js'

describe('priceCart', () => {
  const product = (given: Partial<SoldProduct> = {}): SoldProduct => ({
    id: 'mug',
    name: 'Mug',
    description: null,
    image: null,
    price: minor(1_999),
    currency: 'EUR',
    active: true,
    stock: 10,
    reserved: 0,
    trackStock: true,
    backorderLimit: 0,
    ...given
  })
  const lamp = product({ id: 'lamp', name: 'Lamp', price: minor(4_500) })
  const item = (given: Partial<CartItem> = {}): CartItem => ({
    productId: 'mug',
    name: 'Mug',
    price: 19.99,
    quantity: 1,
    ...given
  })
  const lampItem = item({ productId: 'lamp', name: 'Lamp', price: 45 })
  const terms = (given: Partial<SaleTerms> = {}): SaleTerms => ({
    currency: 'EUR',
    minAmount: minor(50),
    maxAmount: minor(100_000),
    shipping: { amount: minor(490), freeFrom: minor(5_000) },
    ...given
  })
  const order = (given: Partial<FixedOrder> = {}): FixedOrder => ({
    lines: [orderLine(product(), { quantity: 1 }, 'EUR')],
    shipping: 300,
    total: 2_299,
    ...given
  })
  const stock = (...products: SoldProduct[]) => new Map(products.map(each => [each.id, each]))

  /** What it comes to, or why not, in one line. */
  function said(priced: CartPrice): string {
    if (priced.outcome === 'priced') return `${priced.cart.subtotal} + ${priced.cart.shipping} = ${priced.cart.total}`
    const { code, extras } = priced.refusal
    const details = extras.details?.map(each => `${each.productId}: ${each.error}`) ?? []
    const missing = priced.outcome === 'short' ? priced.missing.map(each => `${each.quantity} ${each.productId}`) : []
    return [priced.outcome, code, extras.detail, ...details, ...missing].filter(Boolean).join(' | ')
  }

  it.each<[string, CartItem[], SoldProduct[], Partial<SaleTerms>, FixedOrder | undefined, string]>([
    ['a right cart', [item()], [product()], {}, undefined, '1999 + 490 = 2489'],
    ['delivery that is waived', [item(), lampItem], [product(), lamp], {}, undefined, '6499 + 0 = 6499'],
    [
      'the very last ones',
      [item({ quantity: 3 })],
      [product({ stock: 5, reserved: 2 })],
      {},
      undefined,
      '5997 + 0 = 5997'
    ],
    [
      'one more than there is',
      [item({ quantity: 4 })],
      [product({ stock: 5, reserved: 2 })],
      {},
      undefined,
      'short | cart_refused | mug: Insufficient stock: 3 available, 4 requested | 1 mug'
    ],
    [
      'several that are short',
      [item({ quantity: 2 }), lampItem],
      [product({ stock: 0 }), { ...lamp, stock: 0 }],
      {},
      undefined,
      'short | cart_refused | mug: Insufficient stock: 0 available, 2 requested | lamp: Insufficient stock: 0 available, 1 requested | 2 mug | 1 lamp'
    ],
    [
      'two lines that only together want more than there is',
      [item({ quantity: 2 }), item({ quantity: 2 })],
      [product({ stock: 3 })],
      {},
      undefined,
      'short | cart_refused | mug: Insufficient stock: 3 available, 4 requested | mug: Insufficient stock: 3 available, 4 requested | 1 mug'
    ],
    ['an unknown product', [item()], [], {}, undefined, 'refused | cart_refused | mug: Product not found'],
    [
      'one that is not sold any more',
      [item()],
      [product({ active: false, stock: 0 })],
      {},
      undefined,
      'refused | cart_refused | mug: Product not available'
    ],
    [
      'another currency',
      [item()],
      [product({ currency: 'CHF' })],
      {},
      undefined,
      'refused | cart_refused | mug: Currency mismatch: sold in CHF, not in EUR'
    ],
    [
      'another name and price, and too little stock: all at once, and nobody has to make room',
      [item({ name: 'Cup', price: 19.98, quantity: 2 })],
      [product({ stock: 1 })],
      {},
      undefined,
      'refused | cart_refused | mug: Product name mismatch: expected "Mug", got "Cup" | mug: Price mismatch: expected 19.99, got 19.98 | mug: Insufficient stock: 1 available, 2 requested'
    ],
    ['the least amount', [item()], [product()], { minAmount: minor(2_489) }, undefined, '1999 + 490 = 2489'],
    ['the most', [item()], [product()], { maxAmount: minor(2_489) }, undefined, '1999 + 490 = 2489'],
    [
      'less than the least',
      [item()],
      [product()],
      { minAmount: minor(2_490) },
      undefined,
      'refused | amount_refused | The total is 24.89 EUR; it has to be from 24.90 to 1000.00.'
    ],
    [
      'more than the most',
      [item()],
      [product()],
      { maxAmount: minor(2_488) },
      undefined,
      'refused | amount_refused | The total is 24.89 EUR; it has to be from 0.50 to 24.88.'
    ],
    [
      'too little stock of what would be too much anyway: nobody has to make room',
      [item({ quantity: 2 })],
      [product({ stock: 1 })],
      { maxAmount: minor(100) },
      undefined,
      'refused | cart_refused | mug: Insufficient stock: 1 available, 2 requested'
    ],
    [
      'yen have no decimals',
      [item({ price: 1_999 })],
      [product({ currency: 'JPY' })],
      { currency: 'JPY' },
      undefined,
      '1999 + 490 = 2489'
    ],
    ['what its order says, with the delivery of then', [item()], [product()], {}, order(), '1999 + 300 = 2299'],
    [
      'another quantity than its order',
      [item({ quantity: 2 })],
      [product()],
      {},
      order(),
      'refused | cart_refused | The cart is not what the order says. Create a new order for a changed cart. | mug: Differs from the order'
    ],
    [
      'another product than its order',
      [lampItem],
      [lamp],
      {},
      order(),
      'refused | cart_refused | The cart is not what the order says. Create a new order for a changed cart. | lamp: Not in the order | mug: Missing from the cart'
    ],
    [
      'a price that has changed since its order',
      [item({ price: 18 })],
      [product({ price: minor(1_800) })],
      {},
      order(),
      'refused | cart_refused | The cart is not what the order says. Create a new order for a changed cart. | mug: Differs from the order'
    ],
    [
      'a total that is not that of its order',
      [item()],
      [product()],
      {},
      order({ total: 2_300 }),
      'refused | cart_refused | The cart is not what the order says. Create a new order for a changed cart.'
    ]
  ])('%s', (_what, items, products, given, fixed, expected) => {
    expect(said(priceCart(items, stock(...products), terms(given), fixed))).toBe(expected)
  })

  it('charges what the lines and the delivery come to, within the limits, and never what is not there', () => {
    const line = fc.record({
      price: fc.integer({ min: 1, max: 9_999 }),
      quantity: fc.integer({ min: 1, max: 20 }),
      stock: fc.nat(20)
    })
    fc.assert(
      fc.property(fc.array(line, { minLength: 1, maxLength: 6 }), lines => {
        const products = lines.map((each, index) =>
          product({ id: `p${index}`, price: minor(each.price), stock: each.stock })
        )
        const items = lines.map(({ price, quantity }, index) =>
          item({ productId: `p${index}`, price: price / 100, quantity })
        )
        const short = lines.filter(each => each.stock < each.quantity)
        const sum = lines.reduce((total, each) => total + each.price * each.quantity, 0)
        const total = sum + (sum >= 5_000 ? 0 : 490)
        const priced = priceCart(items, stock(...products), terms())
        const isWithin = total >= 50 && total <= 100_000
        expect(priced.outcome).toBe(!isWithin ? 'refused' : short.length > 0 ? 'short' : 'priced')
        if (priced.outcome === 'priced') expect([priced.cart.subtotal, priced.cart.total]).toEqual([sum, total])
        if (priced.outcome !== 'short') return
        expect(priced.missing.map(each => each.quantity)).toEqual(short.map(each => each.quantity - each.stock))
      })
    )
  })

  it('has terms for the currency of the shop alone', () => {
    const { amount, freeFrom } = terms().shipping
    const shop = {
      payment: { currencies: ['EUR'], minAmount: { EUR: minor(50) }, maxAmount: { EUR: minor(99) } },
      shipping: { amount: { EUR: amount }, freeFrom: { EUR: freeFrom } }
    }
    expect(saleTermsIn('EUR', shop)).toEqual(terms({ maxAmount: minor(99) }))
    expect(saleTermsIn('CHF', shop)).toBeUndefined()
  })
})

describe('divideRefund', () => {
  const payment = (paymentIntentId: string, captured: number, given: Partial<RefundablePayment> = {}) => ({
    paymentIntentId,
    captured,
    reviewReason: null,
    acceptedAt: null,
    ...given
  })
  const review = { reviewReason: 'it does not fit' }
  const accepted = { ...review, acceptedAt: new Date(0) }

  it.each<[string, number | undefined, RefundablePayment[], Record<string, number>, unknown]>([
    ['all of one', undefined, [payment('a', 500)], {}, { a: 500 }],
    ['a part', 200, [payment('a', 500)], {}, { a: 200 }],
    ['all that is left', undefined, [payment('a', 500)], { a: 499 }, { a: 1 }],
    ['of the oldest first', 600, [payment('a', 500), payment('b', 500)], {}, { a: 500, b: 100 }],
    ['nothing of what went back', 100, [payment('a', 500), payment('b', 500)], { a: 500 }, { b: 100 }],
    ['of one in review first', 600, [payment('a', 500), payment('b', 500, review)], {}, { b: 500, a: 100 }],
    ['of an accepted one in its turn', 100, [payment('a', 500), payment('b', 500, accepted)], {}, { a: 100 }],
    [
      'nothing of one that gave back too much',
      undefined,
      [payment('a', 500), payment('b', 500)],
      { a: 900 },
      { b: 500 }
    ],
    ['without payments', undefined, [], {}, 'nothing_captured'],
    ['when all went back', 100, [payment('a', 500)], { a: 500 }, 'nothing_left'],
    ['of nothing', 0, [payment('a', 500)], {}, 'too_little'],
    ['of less than nothing', -1, [payment('a', 500)], {}, 'too_little'],
    ['of too much', 501, [payment('a', 500)], {}, 'more_than_left'],
    ['of more than is left', 2, [payment('a', 500)], { a: 499 }, 'more_than_left']
  ])('%s', (_what, amount, payments, refunded, expected) => {
    const division = divideRefund(amount, payments, new Map(Object.entries(refunded)))
    if (division.outcome === 'refused') return expect(division.because).toBe(expected)
    const parts = division.parts.map(part => [part.payment.paymentIntentId, part.amount])
    expect(parts).toEqual(Object.entries(expected as object))
  })

  it('comes to the amount, and gives no payment more than it has left', () => {
    const some = fc.record({
      captured: fc.integer({ min: 1, max: 1_000 }),
      refunded: fc.nat(1_200),
      reviewReason: fc.option(fc.constant('why')),
      acceptedAt: fc.option(fc.constant(new Date(0)))
    })
    fc.assert(
      fc.property(fc.array(some, { maxLength: 5 }), fc.option(fc.integer({ min: -5, max: 3_000 })), (given, amount) => {
        const payments = given.map((each, index) => ({ ...each, paymentIntentId: `pi_${index}` }))
        const refunded = new Map(payments.map(each => [each.paymentIntentId, each.refunded]))
        const left = payments.reduce((sum, each) => sum + Math.max(0, each.captured - each.refunded), 0)
        const wanted = amount ?? left
        const division = divideRefund(amount ?? undefined, payments, refunded)
        expect(division.outcome).toBe(wanted >= 1 && wanted <= left ? 'divided' : 'refused')
        if (division.outcome === 'refused') return
        expect(division.parts.reduce((sum, part) => sum + part.amount, 0)).toBe(wanted)
        expect(new Set(division.parts.map(part => part.payment)).size).toBe(division.parts.length)
        for (const part of division.parts) {
          expect(part.amount).toBeGreaterThan(0)
          expect(part.amount).toBeLessThanOrEqual(part.payment.captured - part.payment.refunded)
        }
      })
    )
  })
})

describe('decideFraud', () => {
  const rules: FraudRules = {
    enabled: true,
    velocity: true,
    challengeAttempts: 5,
    challengeSmallCarts: 3,
    challengeFailures: 2,
    blockDeclines: 10,
    blockDeclinesPerIp: 20,
    blockCards: 4,
    blockCardsPerIp: 8
  }
  const quiet: FraudSignals = {
    attempts: 0,
    failures: 0,
    smallCarts: 0,
    declines: 0,
    declinesOfAddress: 0,
    cards: 0,
    cardsOfAddress: 0
  }
  const limits = [
    ['attempts', 'challengeAttempts', 'challenge', '6 checkouts in ten minutes, more than 5'],
    ['smallCarts', 'challengeSmallCarts', 'challenge', '4 small carts in an hour, more than 3'],
    ['failures', 'challengeFailures', 'challenge', '3 failures in ten minutes, more than 2'],
    ['declines', 'blockDeclines', 'block', '11 declines of the customer in an hour, more than 10'],
    ['declinesOfAddress', 'blockDeclinesPerIp', 'block', '21 declines of the address in an hour, more than 20'],
    ['cards', 'blockCards', 'block', '5 different declined cards of the customer in a day, more than 4'],
    ['cardsOfAddress', 'blockCardsPerIp', 'block', '9 different declined cards of the address in a day, more than 8']
  ] as const

  it.each(limits)('lets %s reach %s, and then it is a %s', (signal, limit, decision, reason) => {
    const at = { ...quiet, [signal]: rules[limit] }
    expect(decideFraud(at, rules)).toEqual({ decision: 'allow', reasons: [] })
    expect(decideFraud({ ...at, [signal]: rules[limit] + 1 }, rules)).toEqual({ decision, reasons: [reason] })
  })

  it.each<[string, Partial<FraudSignals>, Partial<FraudRules>, string, number]>([
    ['another country', { countries: { request: 'DE', order: 'FR' } }, {}, 'challenge', 1],
    ['the same country', { countries: { request: 'DE', order: 'DE' } }, {}, 'allow', 0],
    ['velocity that is switched off', { attempts: 99, smallCarts: 99 }, { velocity: false }, 'allow', 0],
    ['failures without velocity', { failures: 99 }, { velocity: false }, 'challenge', 1],
    ['rules that are switched off', { declines: 99, attempts: 99 }, { enabled: false }, 'allow', 0],
    ['a block beside challenges', { declines: 99, attempts: 99, failures: 99 }, {}, 'block', 3]
  ])('%s', (_what, signals, given, decision, reasons) => {
    const decided = decideFraud({ ...quiet, ...signals }, { ...rules, ...given })
    expect([decided.decision, decided.reasons.length]).toEqual([decision, reasons])
  })

  it('never becomes milder by a signal more', () => {
    const strictness = ['allow', 'challenge', 'block']
    const counts = fc.record(Object.fromEntries(limits.map(([signal]) => [signal, fc.nat(25)])))
    fc.assert(
      fc.property(counts, fc.constantFrom(...limits.map(([signal]) => signal)), fc.nat(25), (given, signal, more) => {
        const signals = { ...quiet, ...given }
        const before = decideFraud(signals, rules)
        const after = decideFraud({ ...signals, [signal]: signals[signal] + more }, rules)
        expect(strictness.indexOf(after.decision)).toBeGreaterThanOrEqual(strictness.indexOf(before.decision))
        expect(after.reasons.length > 0).toBe(after.decision !== 'allow')
      })
    )
  })
})

describe('sessionDifference', () => {
  const checkout = { id: 'c1', orderId: 'o1', currency: 'EUR', amount: 2_489 }
  const plain: SessionTerms = {
    captureMethod: 'automatic',
    promotionCodes: false,
    automaticTax: false,
    taxBehavior: 'exclusive',
    adaptivePricing: false
  }
  const charge = (subtotal: number, shipping: number, total: number | undefined) =>
    ({ of: 'charge', subtotal, shipping, total }) as const
  const conversion = (goods: number, total: number) => ({ of: 'conversion', goods, total }) as const
  const session = (given: Partial<SessionFacts> = {}): SessionFacts => ({
    mode: 'payment',
    checkoutId: 'c1',
    orderId: 'o1',
    currency: 'EUR',
    isLocalized: false,
    discount: 0,
    tax: 0,
    amounts: charge(1_999, 490, 2_489),
    ...given
  })
  const adaptive = { adaptivePricing: true }

  it.each<[string, Partial<SessionTerms>, Partial<SessionFacts>, string | undefined]>([
    ['what was verified', {}, {}, undefined],
    ['a subscription', {}, { mode: 'subscription' }, 'mode: expected payment, Stripe has subscription'],
    ['another checkout', {}, { checkoutId: 'missing' }, 'checkout: expected c1, Stripe has missing'],
    ['another order', {}, { orderId: 'o2' }, 'order: expected o1, Stripe has o2'],
    ['another currency', {}, { currency: 'USD' }, 'currency: expected EUR, Stripe has USD'],
    ['no currency', {}, { currency: undefined }, 'currency: expected EUR, Stripe has missing'],
    [
      'a cent less',
      {},
      { amounts: charge(1_998, 490, 2_488) },
      'amount: expected 2489, Stripe has 2488; total: expected 2489, Stripe has 2488'
    ],
    ['a total that is not its parts', {}, { amounts: charge(1_999, 490, 1) }, 'total: expected 2489, Stripe has 1'],
    ['no total', {}, { amounts: charge(1_999, 490, undefined) }, 'total: expected 2489, Stripe has missing'],
    ['a discount', { promotionCodes: true }, { discount: 489, amounts: charge(1_999, 490, 2_000) }, undefined],
    [
      'all of it as a discount',
      { promotionCodes: true },
      { discount: 2_489, amounts: charge(1_999, 490, 0) },
      undefined
    ],
    [
      'a discount that nobody allowed',
      {},
      { discount: 489, amounts: charge(1_999, 490, 2_000) },
      'discount: expected 0, Stripe has 489'
    ],
    [
      'a discount that does not add up',
      { promotionCodes: true },
      { discount: 489, amounts: charge(1_999, 490, 1_999) },
      'total: expected 2000, Stripe has 1999'
    ],
    ['tax on top', { automaticTax: true }, { tax: 473, amounts: charge(1_999, 490, 2_962) }, undefined],
    [
      'tax within',
      { automaticTax: true, taxBehavior: 'inclusive' },
      { tax: 397, amounts: charge(1_999, 490, 2_489) },
      undefined
    ],
    [
      'tax that nobody asked for',
      {},
      { tax: 473, amounts: charge(1_999, 490, 2_962) },
      'tax: expected 0, Stripe has 473'
    ],
    [
      'discount and tax',
      { promotionCodes: true, automaticTax: true },
      { discount: 489, tax: 380, amounts: charge(1_999, 490, 2_380) },
      undefined
    ],
    ['a localized price', adaptive, { isLocalized: true, amounts: conversion(1_999, 2_489) }, undefined],
    [
      'one that nobody allowed',
      {},
      { isLocalized: true, amounts: conversion(1_999, 2_489) },
      'localized price: expected none, Stripe has one'
    ],
    [
      'one that comes to less',
      adaptive,
      { isLocalized: true, amounts: conversion(1_999, 2_488) },
      'amount: expected 2489, Stripe has 2488'
    ],
    [
      'one with a discount, whose parts Stripe does not tell',
      { ...adaptive, promotionCodes: true },
      { isLocalized: true, discount: 100, amounts: conversion(1_999, 2_380) },
      undefined
    ],
    [
      'one with a discount, and with more goods than were verified',
      { ...adaptive, promotionCodes: true },
      { isLocalized: true, discount: 100, amounts: conversion(2_490, 2_380) },
      'goods: expected 2489, Stripe has 2490'
    ]
  ])('%s', (_what, terms, given, expected) => {
    expect(sessionDifference({ ...plain, ...terms }, checkout, session(given))).toBe(expected)
  })

  it('takes what adds up under the terms, and nothing that is off by a cent', () => {
    const amounts = fc.record({
      subtotal: fc.integer({ min: 1, max: 99_999 }),
      shipping: fc.nat(5_000),
      part: fc.nat(100),
      tax: fc.nat(20_000),
      off: fc.constantFrom(0, -1, 1)
    })
    const terms = fc.record({ promotionCodes: fc.boolean(), automaticTax: fc.boolean(), isExclusive: fc.boolean() })
    fc.assert(
      fc.property(amounts, terms, ({ subtotal, shipping, part, tax, off }, allowed) => {
        const amount = subtotal + shipping
        const discount = allowed.promotionCodes ? Math.floor((subtotal * part) / 100) : 0
        const taxed = allowed.automaticTax ? tax : 0
        const total = amount - discount + (allowed.isExclusive ? taxed : 0) + off
        const difference = sessionDifference(
          { ...plain, ...allowed, taxBehavior: allowed.isExclusive ? 'exclusive' : 'inclusive' },
          { ...checkout, amount },
          session({ discount, tax: taxed, amounts: charge(subtotal, shipping, total) })
        )
        expect(difference === undefined).toBe(off === 0)
      })
    )
  })
})
