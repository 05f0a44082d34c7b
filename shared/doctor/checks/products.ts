import type { Queryable } from '../../database/database.js'
import { type MinorUnits, toDecimalString } from '../../money.js'
import { saleTermsIn } from '../../rules/sale-terms.js'
import { countPrices, countProducts } from '../../statements/shop-state.js'
import type { Check } from '../check.js'
import { type Finding, fine, must, should } from '../finding.js'

/** Whether there is something to buy, for a price in each currency that is sold in. */
export const products: Check = {
  name: 'products',
  needs: ['DATABASE_URL', 'DATABASE_ROLE', 'PAYMENT_CURRENCY', 'PAYMENT_CURRENCIES', 'PAYMENT_MAX_AMOUNT'],
  async run({ config, database }) {
    const pool = await database()
    const { active, inactive, soldOut } = await countProducts(pool)
    if (active === 0) return [must(`there is none to buy (${inactive} are inactive): import your catalogue`)]
    const sold = config.payment.currencies.flatMap(currency => saleTermsIn(currency, config) ?? [])
    const findings = (await Promise.all(sold.map(each => pricesIn(pool, active, each)))).flat()
    if (soldOut === active) findings.push(should(`all ${active} are sold out: set their stock`))
    if (findings.length > 0) return findings
    const currencies = sold.map(({ currency }) => currency).join(' and ')
    const less = [
      ...(soldOut > 0 ? [`${soldOut} of them sold out`] : []),
      ...(inactive > 0 ? [`${inactive} inactive`] : [])
    ]
    return [fine([`${active} to buy in ${currencies}`, ...less].join(', '))]
  }
}

async function pricesIn(
  db: Queryable,
  active: number,
  { currency, maxAmount }: { currency: string; maxAmount: MinorUnits }
): Promise<Finding[]> {
  const { missing, tooDear } = await countPrices(db, currency, maxAmount)
  const findings: Finding[] = []
  if (missing === active)
    findings.push(
      must(`none of ${active} has a price in ${currency}, nothing can be bought in it: set prices, or PAYMENT_CURRENCY`)
    )
  else if (missing > 0)
    findings.push(
      should(`${missing} of ${active} have no price in ${currency}, and cannot be bought in it: set their price`)
    )
  if (tooDear > 0)
    findings.push(
      should(
        `${tooDear} of ${active} cost more than ${toDecimalString(maxAmount, currency)} ${currency}, and cannot be bought: raise PAYMENT_MAX_AMOUNT`
      )
    )
  return findings
}
