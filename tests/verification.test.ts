import { DAY, HOUR } from '../shared/duration.js'
import { verification } from '../workers/verification.js'
import { reasonsOf, resolveAll } from './support/alerts.js'
import { allApplied, buy } from './support/purchase.js'
import { BY_HAND } from './support/settings.js'
import { asOwner, openShop, withShop } from './support/shop.js'

const JOB = { id: 'test', attempt: 1, isLastAttempt: true }

it('is silent about a sound shop, and tells once of a changed trail and of a ledger that Stripe does not have', async () => {
  await withShop(openShop('postgres', BY_HAND), async shop => {
    const customer = await shop.customer('verified')
    const { orderId, url } = await buy(customer)
    await customer.pay(url)
    await customer.orderBecomes(orderId, 'PAID')
    await allApplied(shop)
    const verify = (after: number) => {
      const at = Date.now() + after
      return verification.handle({ ...shop.stack.services, now: () => new Date(at) }, {}, JOB)
    }
    const told = async () => [await reasonsOf(shop, 'audit_broken'), await reasonsOf(shop, 'ledger_mismatch')]
    await verify(2 * HOUR)
    expect(await told()).toEqual([[], []])

    await asOwner(
      shop,
      `SET session_replication_role = replica; UPDATE "PaymentAuditLog" SET "amount" = 1 WHERE "action" = 'order_paid';
       DELETE FROM "LedgerPosting" WHERE "entry" LIKE 'capture:%'`
    )
    await verify(2 * HOUR)
    await verify(3 * HOUR)
    const one = [expect.stringMatching(/^1 found: \S/)]
    expect(await told()).toEqual([one, one])

    await resolveAll(shop)
    await verify(30 * DAY)
    expect((await told()).map(({ length }) => length)).toEqual([2, 1])
  })
})
