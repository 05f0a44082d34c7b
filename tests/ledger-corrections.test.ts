import { data, lineOf, type Shopper } from '../local/shopper.js'
import { DAY } from '../shared/duration.js'
import { correctLedger } from '../shared/orders/ledger-correction.js'
import { bookBalanceTransactions } from '../shared/reconcile/balance.js'
import { checkLedger } from '../shared/reconcile/ledger-check.js'
import { reconcileObjects } from '../shared/reconcile/reconcile-objects.js'
import { postEntries } from '../shared/statements/ledger.js'
import { open } from './support/fresh-shop.js'
import { runOps } from './support/ops.js'
import {
  buy,
  deliver,
  goSilent,
  heldByStripe,
  intentOf,
  ledgerDifferences,
  orderRow,
  sessionOf
} from './support/purchase.js'
import { asOwner, openShop, type Shop } from './support/shop.js'

let shop: Shop
let customer: Shopper
beforeAll(async () => {
  shop = await openShop('postgres', { RECONCILE_CRON: '0 0 1 1 *' })
  customer = await shop.customer('books')
})
afterAll(() => shop.close())

const inDays = (days: number) => new Date(Date.now() + days * DAY)

async function paid(key: string) {
  const items = [lineOf(await customer.product('stoneware-mug'), 2)]
  const { url, orderId = '' } = data(await customer.checkout({ items }, { 'Idempotency-Key': key }))
  await customer.pay(url ?? '')
  await customer.orderBecomes(orderId, 'PAID')
  const { paymentIntentId } = await shop.stack.services.db.prisma.payment.findFirstOrThrow({ where: { orderId } })
  return { orderId, intent: paymentIntentId }
}

/** A refund at Stripe that nobody tells. */
async function untoldRefund(intent: string, amount: number): Promise<string> {
  await goSilent(shop)
  const { id } = await shop.stack.services.stripe.refunds.create({ payment_intent: intent, amount })
  shop.simulator.faults.set({})
  return id
}

const refundLines = (amount: number) => [
  { account: 'REFUNDS' as const, currency: 'EUR', amount },
  { account: 'STRIPE' as const, currency: 'EUR', amount: -amount }
]

async function book(orderId: string, key: string, amount: number, at = new Date()): Promise<void> {
  const entry = { key, orderId, source: key.split(':')[1] ?? '', lines: refundLines(amount) }
  await postEntries(shop.stack.services.db.pool, [entry], at)
}

async function differences(since = inDays(-2), until = inDays(2)): Promise<string[]> {
  await bookBalanceTransactions(shop.stack.services, [])
  return (await checkLedger(shop.stack.services, since, until)).differences
}

const correct = (orderId: string, debit: string, credit: string, amount: string, ...more: string[]) => {
  const asked = ['--debit', debit, '--credit', credit, '--amount', amount]
  return runOps(shop, 'ledger', 'correct', orderId, ...asked, '--reason', 'booked by hand', ...more)
}
const postings = (orderId: string) =>
  shop.stack.services.db.prisma.ledgerPosting.findMany({
    where: { orderId },
    orderBy: [{ entry: 'asc' }, { account: 'asc' }]
  })

it('posts one balanced entry with who and why, once for a key, and changes no posting', async () => {
  const { orderId, intent } = await paid('once')
  const before = await postings(orderId)
  const of = ['--of', `capture:${intent}`, '--key', 'ticket-7'] as const
  const first = await correct(orderId, 'sales', 'STRIPE', '5.00', ...of)
  expect(first).toMatchObject({ code: 0 })
  expect(first.output).toContain('correction:ticket-7 is posted: SALES 5.00, STRIPE -5.00 EUR')
  const again = await correct(orderId, 'SALES', 'STRIPE', '5', ...of)
  expect([again.code, again.output]).toEqual([0, expect.stringContaining('was posted before')])
  const others: [string, string, string, ...string[]][] = [
    ['SALES', 'STRIPE', '6.00', ...of],
    ['STRIPE', 'SALES', '5.00', ...of],
    ['SALES', 'STRIPE', '5.00', '--key', 'ticket-7']
  ]
  for (const other of others) {
    const refused = await correct(orderId, ...other)
    expect([refused.code, refused.output]).toEqual([1, expect.stringContaining('used for another correction')])
  }
  const after = await postings(orderId)
  expect(after.filter(posting => !posting.entry.startsWith('correction:'))).toEqual(before)
  const added = after.filter(posting => posting.entry.startsWith('correction:'))
  expect(added.map(({ entry, account, amount, source }) => [entry, account, Number(amount), source])).toEqual([
    ['correction:ticket-7', 'STRIPE', -500, `capture:${intent}`],
    ['correction:ticket-7', 'SALES', 500, `capture:${intent}`]
  ])
  const audit = await shop.stack.services.db.prisma.paymentAuditLog.findMany({ where: { action: 'ledger_corrected' } })
  expect(audit.map(row => [row.orderId, Number(row.amount), row.currency, row.metadata])).toEqual([
    [
      orderId,
      500,
      'EUR',
      {
        operator: 'olga',
        reason: 'booked by hand',
        entry: 'correction:ticket-7',
        debit: 'SALES',
        credit: 'STRIPE',
        of: `capture:${intent}`
      }
    ]
  ])
  const shown = (await runOps(shop, 'ledger', 'show', orderId)).output
  expect(shown).toMatch(new RegExp(`correction:ticket-7 +SALES +5.00 +EUR +capture:${intent}`))
  expect(shown).toContain('correction:ticket-7 by olga: booked by hand')
  // Put right again, so that what follows begins with a sound ledger.
  expect((await correct(orderId, 'STRIPE', 'SALES', '5.00', '--of', `capture:${intent}`)).code).toBe(0)
  expect(await differences()).toEqual([])
})

it('posts one of many at once under one key, whichever order they name', async () => {
  const [one, two] = [await paid('many-1'), await paid('many-2')]
  const asked = await Promise.allSettled(
    Array.from({ length: 12 }, (_, index) =>
      correctLedger(
        shop.stack.services,
        { operator: 'olga', reason: 'twice clicked' },
        {
          orderId: (index % 2 === 0 ? one : two).orderId,
          debit: index % 2 === 0 ? 'FEES' : 'SALES',
          credit: index % 2 === 0 ? 'EXCHANGE' : 'REFUNDS',
          amount: '1.00',
          key: 'many'
        }
      )
    )
  )
  expect(asked.filter(({ status }) => status === 'fulfilled')).toHaveLength(6)
  const posted = asked.flatMap(each => (each.status === 'fulfilled' && each.value.isNew ? [each.value] : []))
  expect(posted).toHaveLength(1)
  expect(await shop.stack.services.db.prisma.ledgerPosting.count({ where: { entry: 'correction:many' } })).toBe(2)
})

describe('refuses', () => {
  let orderId = ''
  beforeAll(async () => {
    ;({ orderId } = await paid('refused'))
  })
  const good = { debit: 'SALES', credit: 'STRIPE', amount: '5.00' }
  it.each([
    ['an account that does not exist', { debit: 'PROFITS' }, 'the accounts are STRIPE, SALES, REFUNDS, FEES'],
    ['one account twice', { debit: 'stripe' }, 'STRIPE cannot be debited and credited'],
    ['nothing', { amount: '0.00' }, 'EUR has no amount "0.00"'],
    ['less than nothing', { amount: '-5.00' }, 'a number with up to 2 decimals, more than nothing'],
    ['too many decimals', { amount: '5.001' }, 'EUR has no amount'],
    ['a comma', { amount: '5,00' }, 'EUR has no amount'],
    ['an exponent', { amount: '1e3' }, 'EUR has no amount'],
    ['what a number cannot hold exactly', { amount: '90071992547409.93' }, 'EUR has no amount'],
    ['decimals of yen', { amount: '5.00', currency: 'JPY' }, 'JPY has no amount "5.00": it takes a whole number'],
    ['a fourth decimal of dinars', { amount: '5.0001', currency: 'kwd' }, 'up to 3 decimals'],
    ['a currency that Stripe does not know', { currency: 'XXX' }, 'Stripe does not know the currency XXX'],
    ['an entry that the order does not have', { of: 'refund:re_typo' }, 'has no entry refund:re_typo; it has capture:'],
    ['a missing entry without a name', { of: 'refund', missing: true }, 'is no name of an entry'],
    ['a key that cannot be one', { key: 'a key' }, 'A key has 1 to 200'],
    ['no reason', { reason: '  ' }, 'needs a reason'],
    ['an order that does not exist', { orderId: 'cnone' }, 'There is no order cnone']
  ])('%s', async (_what, { reason = 'a reason', ...wrong }: Record<string, string | boolean>, says) => {
    const request = { orderId, ...good, ...wrong } as Parameters<typeof correctLedger>[2]
    const asked = correctLedger(shop.stack.services, { operator: 'olga', reason: String(reason) }, request)
    await expect(asked).rejects.toThrow(says)
    expect((await postings(orderId)).filter(({ entry }) => entry.startsWith('correction:'))).toEqual([])
  })

  it('a command without its parts', async () => {
    const bare = await runOps(shop, 'ledger', 'correct', orderId, '--debit', 'SALES', '--credit', 'STRIPE')
    expect([bare.code, bare.output]).toEqual([2, expect.stringContaining('--amount <amount>')])
    const all = ['--debit', 'SALES', '--credit', 'STRIPE', '--amount', '1.00']
    const silent = await runOps(shop, 'ledger', 'correct', orderId, ...all)
    expect([silent.code, silent.output]).toEqual([2, expect.stringContaining('--reason is missing')])
  })
})

it('takes what an account can hold though nobody could be charged it', async () => {
  const { orderId } = await paid('dinars')
  const lines = async (currency: string, amount: string) => {
    const by = { operator: 'olga', reason: 'a fee' }
    const request = { orderId, debit: 'FEES', credit: 'EXCHANGE', amount, currency }
    return (await correctLedger(shop.stack.services, by, request)).lines.map(line => line.amount)
  }
  expect(await lines('KWD', '0.123')).toEqual([123, -123])
  expect(await lines('JPY', '7')).toEqual([7, -7])
  expect(await lines('EUR', '90071992547409.91')).toEqual([9007199254740991, -9007199254740991])
})

describe('ledger verify', () => {
  it('finds no difference once a wrong entry is corrected to nothing', async () => {
    const { orderId } = await paid('wrong')
    await book(orderId, 'refund:re_ofAnotherShop', 700)
    expect(await differences()).toEqual(['refund:re_ofAnotherShop: the ledger has -7.00 EUR, Stripe has nothing'])
    const of = ['--of', 'refund:re_ofAnotherShop']
    expect(await correct(orderId, 'STRIPE', 'REFUNDS', '3.00', ...of)).toMatchObject({ code: 0 })
    expect(await differences()).toEqual(['refund:re_ofAnotherShop: the ledger has -4.00 EUR, Stripe has nothing'])
    expect(await correct(orderId, 'STRIPE', 'REFUNDS', '4.00', ...of)).toMatchObject({ code: 0 })
    const verified = await runOps(shop, 'ledger', 'verify', '--until', inDays(2).toISOString())
    expect([verified.code, verified.output]).toEqual([0, expect.stringContaining('The ledger is right')])
  })

  it('finds no difference once a correction adds what is missing, and knows it by its name', async () => {
    const { orderId, intent } = await paid('missing')
    const refund = await untoldRefund(intent, 450)
    expect(await differences()).toEqual([
      expect.stringContaining(`refund:${refund} for -4.50 EUR, the ledger has nothing`)
    ])
    const add = ['REFUNDS', 'STRIPE', '4.50', '--of', `refund:${refund}`] as const
    expect((await correct(orderId, ...add)).output).toContain('say so with --missing')
    expect(await correct(orderId, ...add, '--missing')).toMatchObject({ code: 0 })
    expect(await differences()).toEqual([])
    const elsewhere = await paid('elsewhere')
    await book(elsewhere.orderId, 'refund:re_theirs', 100, inDays(-40))
    const theirs = await correct(orderId, 'REFUNDS', 'STRIPE', '1.00', '--of', 'refund:re_theirs', '--missing')
    expect([theirs.code, theirs.output]).toEqual([1, expect.stringContaining('an entry of another order')])
  })

  it('finds no difference once an amount is corrected to Stripe’s', async () => {
    const { orderId, intent } = await paid('amount')
    const refund = await untoldRefund(intent, 500)
    await book(orderId, `refund:${refund}`, 700)
    expect(await differences()).toEqual([expect.stringContaining('for -5.00 EUR, the ledger has -7.00 EUR')])
    expect((await correct(orderId, 'STRIPE', 'REFUNDS', '2.00', '--of', `refund:${refund}`)).code).toBe(0)
    expect(await differences()).toEqual([])
  })

  it('asks about what was booked or corrected at another time than Stripe’s', async () => {
    const { orderId, intent } = await paid('late')
    const refund = await untoldRefund(intent, 500)
    await book(orderId, `refund:${refund}`, 400, inDays(-10))
    const earlier = [inDays(-20), inDays(-5)] as const
    expect(await differences(...earlier)).toEqual([expect.stringContaining('for -5.00 EUR, the ledger has -4.00 EUR')])
    expect((await correct(orderId, 'REFUNDS', 'STRIPE', '1.00', '--of', `refund:${refund}`)).code).toBe(0)
    expect(await differences(...earlier)).toEqual([])
    expect(await differences()).toEqual([])
  })

  it('lists what changes Stripe’s account and names no entry, until it is taken back', async () => {
    const { orderId } = await paid('unnamed')
    const posted = await correct(orderId, 'STRIPE', 'SALES', '2.50')
    expect([posted.code, posted.output]).toEqual([0, expect.stringContaining('ledger verify will list it')])
    expect(await differences()).toEqual([`order ${orderId}: corrections that name no entry put 2.50 EUR on STRIPE`])
    expect((await correct(orderId, 'SALES', 'STRIPE', '2.50')).code).toBe(0)
    expect(await differences()).toEqual([])
  })
})

describe('what becomes known after a correction has said it', () => {
  /** Orders of a shop of their own, of which Stripe tells nothing any more. */
  async function silent(env: Record<string, string> = {}) {
    const { shop: own, customer: ada } = await open(env)
    const { services } = own.stack
    const bought = await buy(ada)
    const { orderId } = bought
    const mend = (debit: string, credit: string, amount: string, ...more: string[]) => {
      const asked = ['--debit', debit, '--credit', credit, '--amount', amount, '--reason', 'seen at Stripe', ...more]
      return runOps(own, 'ledger', 'correct', orderId, ...asked)
    }
    const learn = async () => {
      const report = await reconcileObjects(services, { since: new Date(), requestId: 'test' })
      expect(report).toMatchObject({ remaining: 0, errors: [] })
    }
    const isRight = async (held: number) => {
      expect(await heldByStripe(own, orderId)).toBe(held)
      expect(await ledgerDifferences(own)).toEqual([])
    }
    return { own, ada, services, ...bought, mend, learn, isRight }
  }

  it.each(['34.98', '30.00'])('is a capture of less, of which %s were taken back', async amount => {
    const { own, ada, services, orderId, sessionId, url, mend, learn, isRight } = await silent({
      PAYMENT_CAPTURE_METHOD: 'manual'
    })
    await ada.pay(url)
    await ada.orderBecomes(orderId, 'AUTHORIZED')
    await goSilent(own)
    const intent = await services.stripe.paymentIntents.capture(intentOf(own, sessionId), { amount_to_capture: 500 })
    // As an earlier release booked it: the whole total of the Session.
    await asOwner(
      own,
      `UPDATE "Payment" SET "status" = 'SUCCEEDED', "captured" = 3998 WHERE "orderId" = '${orderId}';
       INSERT INTO "LedgerPosting" ("entry", "account", "currency", "orderId", "amount", "source") VALUES
         ('capture:${intent.id}', 'STRIPE', 'EUR', '${orderId}', 3998, '${intent.id}'),
         ('capture:${intent.id}', 'SALES', 'EUR', '${orderId}', -3998, '${intent.id}')`
    )
    expect(await mend('SALES', 'STRIPE', amount, '--of', `capture:${intent.id}`)).toMatchObject({ code: 0 })
    await learn()
    await isRight(500)
    // Told once more, it changes nothing.
    await deliver(services, 'payment_intent.succeeded', intent)
    await isRight(500)
  })

  it.each(['39.98', '35.00', '45.00'])('is a capture of 39.98 that was added as %s', async amount => {
    const { own, orderId, sessionId, url, ada, mend, learn, isRight } = await silent()
    own.simulator.faults.set({ dropDeliveries: 1 })
    await ada.pay(url)
    const entry = `capture:${intentOf(own, sessionId)}`
    expect(await mend('STRIPE', 'SALES', amount, '--of', entry, '--missing')).toMatchObject({ code: 0 })
    await learn()
    expect((await orderRow(own, orderId)).status).toBe('PAID')
    await isRight(3998)
    await deliver(own.stack.services, 'checkout.session.completed', sessionOf(own, sessionId))
    await isRight(3998)
  })

  it.each(['5.00', '3.00', '7.00'])('is a refund of 5.00 that was added as %s', async amount => {
    const { own, ada, services, orderId, sessionId, url, mend, learn, isRight } = await silent()
    await ada.pay(url)
    await ada.orderBecomes(orderId, 'PAID')
    await goSilent(own)
    const refund = await services.stripe.refunds.create({ payment_intent: intentOf(own, sessionId), amount: 500 })
    expect(await mend('REFUNDS', 'STRIPE', amount, '--of', `refund:${refund.id}`, '--missing')).toMatchObject({
      code: 0
    })
    await learn()
    expect(await orderRow(own, orderId)).toMatchObject({ status: 'PARTIALLY_REFUNDED', refunded: 500n })
    await isRight(3998 - 500)
    await deliver(services, 'refund.updated', refund)
    await isRight(3998 - 500)
  })
})
